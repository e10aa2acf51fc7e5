"""A world on a database of its own."""

from model.conftest import world

__all__ = ["world"]
