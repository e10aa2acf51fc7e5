"""A world on a database of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from model.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bank import Bank


@pytest.fixture
def world(bank: Bank) -> Iterator[World]:
    with World(bank.url) as world:
        yield world
