"""The words of the board itself, in two tables with the same names. A reason's sentence is `operate/desk/words`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.board.texts import en, ko

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.board.sources import Language

TABLES: Mapping[Language, Mapping[str, str]] = {"ko": ko.TEXTS, "en": en.TEXTS}


def text(language: Language, name: str, **values: object) -> str:
    """One text, with its values. KeyError: there is none of that name."""
    return TABLES[language][name].format(**values)
