"""The dated tables: one file a calendar, its weekday closures by name, and the range that somebody answers for.

    # covers: 1999-01-01..2028-12-31      comments first; this line is the one that is read
    date,name
    1999-01-01,New Year's Day

Saturdays and Sundays are closed on every calendar that has a table, and are not listed.
"""

import os
from collections.abc import Iterator
from datetime import date

FOLDER = os.path.join(os.path.dirname(__file__), "tables")  # noqa: PTH118, PTH120 -- pathlib would double the start
COVERS = "# covers: "


def names() -> list[str]:
    """List the calendars that have a table."""
    return sorted(file.removesuffix(".csv") for file in os.listdir(FOLDER) if file.endswith(".csv"))  # noqa: PTH208


def read(name: str) -> tuple[tuple[date, date], dict[date, str]]:
    """Read the first and the last day that a table covers, and its closures by name."""
    with open(os.path.join(FOLDER, f"{name}.csv"), encoding="utf-8") as file:  # noqa: PTH118, PTH123 -- as above
        return _range(file), dict(_closures(file))


def _range(lines: Iterator[str]) -> tuple[date, date]:
    covers = next(line for line in lines if line.startswith(COVERS))
    first, last = covers.removeprefix(COVERS).strip().split("..")
    return date.fromisoformat(first), date.fromisoformat(last)


def _closures(lines: Iterator[str]) -> Iterator[tuple[date, str]]:
    for line in lines:
        day, _, name = line.rstrip("\n").partition(",")
        if not (line.startswith("#") or day == "date"):
            yield date.fromisoformat(day), name
