"""Overrides of calendars, and copies of calendars whose home is another database.

    declare ──▶ in force ──▶ withdraw   at most one override a calendar and day; the journal keeps who, what and why
    save_copy ──▶ load_copy             a domain with a calendar service decides from the last copy of its answer

Called by `feedfall calendar`, by `service/calendar_api/` and, to read, by every run (`steps/run/calendars.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from business_day import CENTURIES, NONE, NotCovered, Override
from calendar_client.copy import Copy
from ledger import printable
from ledger.database import Connection, fetch_all, fetch_one, maybe, run
from ledger.errors import Permanent, translated
from ledger.journal import write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

    from business_day import Calendar


class Conflict(Permanent):
    """An override that is refused: the day has one already, or the table says the same."""


class NoOverride(Permanent):
    """There is no override to withdraw."""


class Declared:
    """An override, and when it was withdrawn."""

    def __init__(self, *, withdrawn_at: datetime | None, **override: Any) -> None:  # noqa: ANN401 -- an Override's own
        self.override, self.withdrawn_at = Override(**override), withdrawn_at


def load_overrides(connection: Connection, calendar: str | None = None) -> list[Override]:
    """The overrides in force, of one calendar or of all. Ends no transaction."""
    with translated():
        return fetch_all(connection, Override, "calendar.in_force", calendar=calendar)


def load_history(connection: Connection, calendar: str | None = None) -> list[tuple[Override, datetime | None]]:
    """Every override ever declared, and when it was withdrawn."""
    with translated():
        found = fetch_all(connection, Declared, "calendar.history", calendar=calendar)
    return [(each.override, each.withdrawn_at) for each in found]


def check_override(wanted: Override) -> None:
    """Refuse invisible characters and a day that no calendar has. Raises Unprintable, NotCovered."""
    printable.check(calendar=wanted.calendar, reason=wanted.reason, evidence=wanted.evidence, by=wanted.by)
    first, last = CENTURIES
    if not first <= wanted.day <= last:
        raise NotCovered(f"{wanted.day} is outside {first} to {last}: no calendar has that day")


def declare_overrides(connection: Connection, table: Calendar, overrides: Iterable[Override]) -> None:
    """Declare these overrides, all or none, with a journal line each. The caller commits.

    `table` is the calendar without overrides: what it says already needs none. Raises Conflict, and what
    `check_override` raises.
    """
    for each in overrides:
        check_override(each)
        with translated():
            _refuse_a_second(connection, each)
            _refuse_the_obvious(table, each)
            if not run(connection, "calendar.declare", **_values(each)):  # another session was quicker
                _refuse_a_second(connection, each)
                raise Conflict(f"{each.calendar} {each.day} was declared and withdrawn just now: declare it again")
            write(connection, "declare", None, each.by, each.reason, **_detail(each), evidence=each.evidence)


def withdraw_override(connection: Connection, calendar: str, day: date, by: str, reason: str) -> Override:
    """Withdraw the override of a day, and return it. The caller commits. Raises NoOverride, Unprintable."""
    printable.check(calendar=calendar, by=by, reason=reason)
    with translated():
        withdrawn = _in_force_on(connection, calendar, day)
        if not (withdrawn and run(connection, "calendar.withdraw", calendar=calendar, day=day)):
            raise NoOverride(f"{calendar} {day} has no override: `feedfall calendar overrides` lists those there are")
        write(connection, "withdraw", None, by, reason, **_detail(withdrawn))
    return withdrawn


def load_copy(connection: Connection, calendar: str) -> Copy | None:
    """The copy of a calendar, and its age. Ends no transaction."""
    with translated():
        found = maybe(connection, "calendar.copy", calendar=calendar)
    return Copy(*found) if found else None


def save_copy(connection: Connection, calendar: str, etag: str, document: str) -> None:
    """Store a document that the calendar service has just confirmed. Commits."""
    with translated():
        run(connection, "calendar.save_copy", calendar=calendar, etag=etag, document=document)
        connection.commit()


def _refuse_a_second(connection: Connection, wanted: Override) -> None:
    present = _in_force_on(connection, wanted.calendar, wanted.day)
    if present is not None:
        raise Conflict(
            f"{wanted.calendar} {wanted.day} is declared {_word(present)} already, by {present.by} "
            f"({present.reason}): first `feedfall calendar withdraw {wanted.calendar} {wanted.day}`"
        )


def _refuse_the_obvious(table: Calendar, wanted: Override) -> None:
    if table.name == NONE:
        raise Conflict(f"{NONE} is the calendar on which every day is a business day: it takes no override")
    from_file = table.override(wanted.day)
    if from_file is not None and from_file.calendar == wanted.calendar:
        raise Conflict(
            f"a calendar file declares {table.name} {wanted.day} {_word(from_file)} already: change it there"
        )
    try:
        closure = table.closure(wanted.day)
    except NotCovered:
        return  # outside the table only an override can tell
    if wanted.is_open and closure is None:
        raise Conflict(f"{table.name} is open on {wanted.day} already: nothing to declare")
    if not wanted.is_open and closure is not None:
        raise Conflict(f"{table.name} is closed on {wanted.day} already ({closure}): nothing to declare")


def _in_force_on(connection: Connection, calendar: str, day: date) -> Override | None:
    return fetch_one(connection, Override, "calendar.in_force_on", calendar=calendar, day=day)


def _word(override: Override) -> str:
    return "open" if override.is_open else "closed"


def _values(each: Override) -> dict[str, object]:
    return {name: getattr(each, name) for name in ("calendar", "day", "is_open", "reason", "evidence", "by")}


def _detail(each: Override) -> dict[str, object]:
    return {"calendar": each.calendar, "day": each.day.isoformat(), "open": each.is_open}
