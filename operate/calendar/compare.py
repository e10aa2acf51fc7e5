"""Where a calendar and another source differ, as overrides that a person may declare. Pure: values to values.

    from_government(calendar, published)   the list of public holidays: closes days, and opens public holidays it lacks
    from_bank(calendar, rows)              a bank's own table: it knows every day

Nothing here is applied. A day that has an override is not proposed again: it is in `decided_otherwise`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from business_day import Calendar, CalendarError, Closure, NotCovered, Override, year
from business_day.words import SATURDAY

#: Closures that the government decrees, so that its list has them. The others are of banks and markets.
DECREED = ("PUBLIC", "SUBSTITUTE", "TEMPORARY", "ELECTION")


@dataclass(frozen=True)
class SourceDay:
    """What another source says of a day."""

    day: date
    is_open: bool
    name: str = ""


@dataclass(frozen=True)
class Difference:
    """One day on which they differ: what the calendar says, and the override that would say otherwise."""

    override: Override
    ours: str


@dataclass(frozen=True)
class CalendarComparison:
    """All differences of one source. `outside`: days of it that the calendar does not cover."""

    compared: int
    differences: tuple[Difference, ...]
    decided_otherwise: tuple[Difference, ...]
    outside: int = 0


def from_government(
    calendar: Calendar, holidays: Mapping[date, str], in_year: int, evidence: str
) -> CalendarComparison:
    """Compare a year with the public holidays of the government's list. Weekends are closed without it.

    Raises NotCovered where no day can be compared.
    """
    days = _weekdays(*year(date(in_year, 1, 1)))
    return _compare(calendar, (_by_decree(calendar, day, holidays) for day in days), evidence)


def from_bank(calendar: Calendar, table: Iterable[SourceDay], evidence: str) -> CalendarComparison:
    """Compare with a table that has every day. Raises NotCovered where no day can be compared."""
    return _compare(calendar, table, evidence)


def _by_decree(calendar: Calendar, day: date, holidays: Mapping[date, str]) -> SourceDay:
    if day in holidays:
        return SourceDay(day, is_open=False, name=holidays[day])
    ours = _closure(calendar, day)
    own = ours is not None and ours.kind not in (*DECREED, "OVERRIDE")
    return SourceDay(day, is_open=not own, name="" if own else "not on the government's list of public holidays")


def _compare(calendar: Calendar, table: Iterable[SourceDay], evidence: str) -> CalendarComparison:
    compared = outside = 0
    differences: list[Difference] = []
    decided: list[Difference] = []
    for theirs in table:
        try:
            ours = calendar.closure(theirs.day)
        except CalendarError:
            outside += 1
            continue
        compared += 1
        if theirs.is_open is not (ours is None):
            found = Difference(_override(calendar, theirs, evidence), f"closed: {ours}" if ours else "open")
            (decided if calendar.override(theirs.day) else differences).append(found)
    if not compared:
        first, last = calendar.covers
        raise NotCovered(f"{calendar.name} covers {first} to {last}: there is no day to compare")
    return CalendarComparison(compared, tuple(differences), tuple(decided), outside)


def _override(calendar: Calendar, theirs: SourceDay, evidence: str) -> Override:
    reason = theirs.name or f"{'open' if theirs.is_open else 'closed'} in {evidence}"
    return Override(calendar.name, theirs.day, is_open=theirs.is_open, reason=reason, evidence=evidence)


def _closure(calendar: Calendar, day: date) -> Closure | None:
    try:
        return calendar.closure(day)
    except CalendarError:
        return None


def _weekdays(first: date, last: date) -> list[date]:
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if day.weekday() < SATURDAY]


def as_toml(override: Override) -> str:
    """The override as a block of a calendar file."""
    lines = [
        "[[override]]",
        f"calendar = {_text(override.calendar)}",
        f"day = {override.day}",
        f"open = {'true' if override.is_open else 'false'}",
        f"reason = {_text(override.reason)}",
        f"evidence = {_text(override.evidence)}",
    ]
    return "\n".join(lines)


def as_calendar(name: str, calendar: Calendar, table: Iterable[SourceDay]) -> str:
    """A bank's whole table as a calendar file: its own range, closures, and weekends that are open.

    The table says which days; where it does not say why, `calendar` may know.
    """
    days = sorted(table, key=lambda each: each.day)
    closed = [each for each in days if not each.is_open and each.day.weekday() < SATURDAY]
    opened = [each for each in days if each.is_open and each.day.weekday() >= SATURDAY]
    head = [f"[{name}]", f"zone = {_text(calendar.zone)}", f"from = {days[0].day}", f"through = {days[-1].day}", ""]
    return "\n".join(
        [*head, *_section(f"{name}.closed", calendar, closed), *_section(f"{name}.open", calendar, opened)]
    )


def _section(name: str, calendar: Calendar, days: list[SourceDay]) -> list[str]:
    return [
        f"[{name}]",
        *(f"{each.day} = {_text(each.name or _name(calendar, each.day))}" for each in days),
        "",
    ]


def _name(calendar: Calendar, day: date) -> str:
    closure = _closure(calendar, day)
    return closure.name if closure else "은행 영업일 테이블"


def _text(value: str) -> str:
    """As a TOML string on one line."""
    plain = "".join(letter if letter.isprintable() else " " for letter in value)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
