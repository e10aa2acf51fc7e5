"""A date as people and schedulers write it."""

from datetime import date

from business_day.errors import NoSuchDay

FORMS = "YYYY-MM-DD, YYYYMMDD or YYMMDD"
SIX = 6


def read(text: str) -> date:
    """Read 2026-09-24, 20260924 or Control-M's %%ODATE 260924 (of this century). NoSuchDay for anything else."""
    word = f"20{text}" if len(text) == SIX else text
    try:
        if word.isascii() and ((len(word) == 8 and word.isdigit()) or (len(word) == 10 and word[4] == word[7] == "-")):  # noqa: PLR2004
            return date.fromisoformat(word)
    except ValueError:
        pass
    raise NoSuchDay(f"{text!r} is not a date: write {FORMS}")
