"""Where a calendar and another source differ, as overrides that a person may take over: pure, values to values.

    from_government(calendar, published)   the list of public holidays: closes days, and opens public holidays it lacks
    from_bank(calendar, rows)              a bank's own table: it knows every day

Nothing here is applied. A day that a person has decided about already is not proposed again, but `decided_otherwise`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from business_day import Calendar, CalendarError, Closure, NotCovered, Override, year
from business_day.words import SATURDAY

#: Closures that the government decrees, and so must know of. The others are the banks' and the markets' own.
DECREED = ("PUBLIC", "SUBSTITUTE", "TEMPORARY", "ELECTION")


@dataclass(frozen=True)
class Said:
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
class Comparison:
    """All differences of one source. `outside`: days of it that the calendar does not cover."""

    compared: int
    differences: tuple[Difference, ...]
    decided_otherwise: tuple[Difference, ...]
    outside: int = 0


def from_government(calendar: Calendar, holidays: Mapping[date, str], asked: int, evidence: str) -> Comparison:
    """Compare a year with the public holidays of the government's list. Weekends are closed without it.

    Raises NotCovered where no day can be compared.
    """
    days = _weekdays(*year(date(asked, 1, 1)))
    return _compare(calendar, (_by_decree(calendar, day, holidays) for day in days), evidence)


def from_bank(calendar: Calendar, table: Iterable[Said], evidence: str) -> Comparison:
    """Compare with a table that has every day. Raises NotCovered where no day can be compared."""
    return _compare(calendar, table, evidence)


def _by_decree(calendar: Calendar, day: date, holidays: Mapping[date, str]) -> Said:
    if day in holidays:
        return Said(day, is_open=False, name=holidays[day])
    ours = _closure(calendar, day)
    own = ours is not None and ours.kind not in (*DECREED, "OVERRIDE")
    return Said(day, is_open=not own, name="" if own else "not on the government's list of public holidays")


def _compare(calendar: Calendar, table: Iterable[Said], evidence: str) -> Comparison:
    compared = outside = 0
    differences: list[Difference] = []
    decided: list[Difference] = []
    for said in table:
        try:
            ours = calendar.closure(said.day)
        except CalendarError:
            outside += 1
            continue
        compared += 1
        if said.is_open is not (ours is None):
            found = Difference(_override(calendar, said, evidence), f"closed: {ours}" if ours else "open")
            (decided if calendar.override(said.day) else differences).append(found)
    if not compared:
        first, last = calendar.covers
        raise NotCovered(f"{calendar.name} covers {first} to {last}: there is no day to compare")
    return Comparison(compared, tuple(differences), tuple(decided), outside)


def _override(calendar: Calendar, said: Said, evidence: str) -> Override:
    reason = said.name or f"{'open' if said.is_open else 'closed'} in {evidence}"
    return Override(calendar.name, said.day, is_open=said.is_open, reason=reason, evidence=evidence)


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


def as_calendar(name: str, calendar: Calendar, table: Iterable[Said]) -> str:
    """A bank's whole table as a calendar file: its own range, closures, and weekends that are open.

    The table says which days; where it does not say why, `calendar` may know.
    """
    days = sorted(table, key=lambda said: said.day)
    closed = [said for said in days if not said.is_open and said.day.weekday() < SATURDAY]
    opened = [said for said in days if said.is_open and said.day.weekday() >= SATURDAY]
    head = [f"[{name}]", f"zone = {_text(calendar.zone)}", f"from = {days[0].day}", f"through = {days[-1].day}", ""]
    return "\n".join(
        [*head, *_section(f"{name}.closed", calendar, closed), *_section(f"{name}.open", calendar, opened)]
    )


def _section(name: str, calendar: Calendar, days: list[Said]) -> list[str]:
    return [f"[{name}]", *(f"{said.day} = {_text(said.name or _name(calendar, said.day))}" for said in days), ""]


def _name(calendar: Calendar, day: date) -> str:
    closure = _closure(calendar, day)
    return closure.name if closure else "은행 영업일 테이블"


def _text(value: str) -> str:
    """As a TOML string on one line."""
    plain = "".join(letter if letter.isprintable() else " " for letter in value)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
