"""The dated tables that come with feedfall: one file a calendar, and the range that it covers.

    # zone: Asia/Seoul                       comments first; zone and covers are the ones that are read
    # covers: 2018-01-01..2028-12-31
    date,kind,name,english
    2018-01-01,PUBLIC,신정연휴,New Year's Day

Saturdays and Sundays are closed on every calendar that has a table, and are not listed.
"""

import os
from collections.abc import Iterable, Iterator
from datetime import date

from business_day.days import Calendar
from business_day.words import SATURDAY, SUNDAY, Closure, Override, weekend

FOLDER = os.path.join(os.path.dirname(__file__), "tables")  # noqa: PTH118, PTH120 -- pathlib would double the start


def names() -> list[str]:
    """List the calendars that have a table."""
    return sorted(file.removesuffix(".csv") for file in os.listdir(FOLDER) if file.endswith(".csv"))  # noqa: PTH208


def read(name: str, overrides: Iterable[Override]) -> Calendar:
    """Open a table's calendar."""
    with open(os.path.join(FOLDER, f"{name}.csv"), encoding="utf-8") as file:  # noqa: PTH118, PTH123 -- as above
        head = dict(_head(file))
        closures = dict(_closures(file))
    first, last = map(date.fromisoformat, head["covers"].split(".."))
    return Calendar(name, head["zone"], (first, last), weekend(SATURDAY, SUNDAY), closures, overrides)


def _head(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Read the comments, and the line of column names after them."""
    for line in lines:
        if not line.startswith("# "):
            return
        key, _, value = line[2:].rstrip("\n").partition(": ")
        yield key, value


def _closures(lines: Iterator[str]) -> Iterator[tuple[date, Closure]]:
    for line in lines:
        day, kind, name, english = line.rstrip("\n").split(",")
        yield date.fromisoformat(day), Closure(kind, name, english)
