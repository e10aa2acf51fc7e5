"""A bank's own business-day table, exported as CSV: read, and refused where it contradicts itself.

    dw_bas_ddt, biz_dt, next_biz_dt, bf1_biz_dt       a day is open where biz_dt is the day itself
    STD_DT, HDY_YN, NXT_SLS_DT, BF_SLS_DT             a day is open where HDY_YN is N

Other tables say which column is which: `--map day=기준일자 --map open=영업일여부`. Every day must be there once,
without a gap, and the next and previous business days that the table names must be those that its flags make.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from business_day import CalendarError, read_date
from ledger.errors import DataRefused, Misconfigured
from operate.calendar.compare import SourceDay

#: What a column means. One of `open` (Y: business day), `closed` (Y: holiday) and `current` (the day itself, if open).
MEANINGS = ("day", "open", "closed", "current", "next", "previous", "name")
FLAGS = ("open", "closed", "current")
SHAPES: Sequence[Mapping[str, str]] = (
    {"day": "dw_bas_ddt", "current": "biz_dt", "next": "next_biz_dt", "previous": "bf1_biz_dt"},
    {"day": "std_dt", "closed": "hdy_yn", "next": "nxt_sls_dt", "previous": "bf_sls_dt"},
)
YES_NO = {"y": True, "n": False, "1": True, "0": False}
SHOWN = 5
"""How many mistakes are shown; the others are only counted."""


@dataclass(frozen=True)
class TableRow:
    """One line of the table."""

    line: int
    day: date
    is_open: bool
    next: date | None
    previous: date | None
    name: str


def read(content: bytes, given: Mapping[str, str]) -> list[SourceDay]:
    """Read a whole table in the order of its days. Raises Misconfigured for its columns, DataRefused for its rows."""
    lines = csv.reader(io.StringIO(_decoded(content)))
    header = next(lines, None)
    if not header:
        raise DataRefused("the file is empty: the first line names the columns")
    places = _places([name.strip() for name in header], given)
    wrong: list[str] = []
    rows = sorted(_rows(lines, places, wrong), key=lambda row: (row.day, row.line))
    wrong += _contradictions(rows)
    if wrong or not rows:
        more = f" … and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise DataRefused("\n".join(wrong[:SHOWN]) + more if wrong else "the file has no day in it")
    return [SourceDay(row.day, row.is_open, row.name) for row in rows]


def mapping(pairs: Sequence[str]) -> dict[str, str]:
    """Read `--map meaning=column` words. Raises Misconfigured."""
    given = {meaning: column for meaning, _, column in (pair.partition("=") for pair in pairs)}
    for meaning, column in given.items():
        if meaning not in MEANINGS or not column:
            raise Misconfigured(f"--map {meaning}={column}: write MEANING=COLUMN, a meaning of {', '.join(MEANINGS)}")
    return given


def _decoded(content: bytes) -> str:
    """UTF-8, or what Korean Windows exports."""
    for encoding in ("utf-8-sig", "cp949"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataRefused("the file is neither UTF-8 nor CP949: save it as one of the two")


def _places(header: Sequence[str], given: Mapping[str, str]) -> dict[str, int]:
    """Which column holds which meaning: as given, or of the first shape that fits."""
    columns = {name.lower(): place for place, name in enumerate(header)}
    shape = next((shape for shape in SHAPES if set(shape.values()) <= columns.keys()), {})
    chosen = {**({} if given else shape), **{meaning: column.lower() for meaning, column in given.items()}}
    missing = [column for column in chosen.values() if column not in columns]
    if missing:
        raise Misconfigured(f"no column {', '.join(missing)}: there are {', '.join(header)}")
    if "day" not in chosen or sum(flag in chosen for flag in FLAGS) != 1:
        raise Misconfigured(
            f"which column is which? There are {', '.join(header)}. Write --map day=… and one of --map open=… "
            "(Y: a business day), --map closed=… (Y: a holiday), --map current=… (the day itself, if it is open)"
        )
    return {meaning: columns[column] for meaning, column in chosen.items()}


def _rows(lines: Iterator[list[str]], places: Mapping[str, int], wrong: list[str]) -> Iterator[TableRow]:
    for number, cells in enumerate(lines, 2):
        if not any(cell.strip() for cell in cells):
            continue
        try:
            yield _row(number, {meaning: cells[place].strip() for meaning, place in places.items()})
        except IndexError:
            wrong.append(f"line {number}: {len(cells)} columns, fewer than the first line")
        except (CalendarError, ValueError) as error:
            wrong.append(f"line {number}: {error}")


def _row(number: int, cells: Mapping[str, str]) -> TableRow:
    day = read_date(cells["day"])
    after, before = (read_date(cells[side]) if cells.get(side) else None for side in ("next", "previous"))
    return TableRow(number, day, _is_open(day, cells), after, before, cells.get("name", ""))


def _is_open(day: date, cells: Mapping[str, str]) -> bool:
    if "current" in cells:
        return read_date(cells["current"]) == day
    word = cells["open"] if "open" in cells else cells["closed"]
    if word.lower() not in YES_NO:
        raise ValueError(f"{word!r} is neither Y nor N")
    return YES_NO[word.lower()] is ("open" in cells)


def _contradictions(rows: Sequence[TableRow]) -> list[str]:
    """What the table says against itself, in the order of its days."""
    wrong = []
    for row, after in pairwise(rows):
        gap = (after.day - row.day).days
        if gap == 0:
            wrong.append(f"line {after.line}: {row.day} is there twice, on line {row.line} before")
        elif gap > 1:
            wrong.append(
                f"line {after.line}: {row.day + timedelta(days=1)} to {after.day - timedelta(days=1)} is missing"
            )
    return wrong or [*_neighbours(rows, "next", 1), *_neighbours(rows[::-1], "previous", -1)]


def _neighbours(rows: Sequence[TableRow], side: str, sign: int) -> Iterator[str]:
    """Compare each row's neighbour with the nearest open day; walk against the direction in which it looks."""
    nearest: date | None = None
    for row in reversed(rows):
        named = getattr(row, side)
        beyond = named is not None and nearest is None and (named - rows[-1].day).days * sign > 0
        if named is not None and named != nearest and not beyond:
            wanted = nearest or f"a day beyond {rows[-1].day}"
            yield f"line {row.line}: the {side} business day of {row.day} is {named}, but its flags make it {wanted}"
        nearest = row.day if row.is_open else nearest
