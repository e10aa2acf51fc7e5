"""What was decided about days since the tables were made, and copies of calendars whose home is another database.

    declare ──▶ holds ──▶ withdraw     one decision a (calendar, day) holds; the journal keeps who did what, and why
    keep ──▶ copy                      a domain that asks the calendar service decides from what it last heard

Called by `feedfall calendar`, by `service/calendar_api/` and, to read, by every run (`steps/run/calendars.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from business_day import NONE, NotCovered, Override
from calendar_client.copy import Copy
from ledger.database import Connection, maybe, rows, run
from ledger.errors import Permanent, translated
from ledger.journal import write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

    from business_day import Calendar


class Conflict(Permanent):
    """A decision that cannot be taken as it stands: the day is decided already, or the table says so itself."""


class NoOverride(Permanent):
    """There is nothing to withdraw."""


def overrides(connection: Connection, calendar: str | None = None) -> list[Override]:
    """What holds, of one calendar or of all. Ends no transaction."""
    with translated():
        return [_override(*found) for found in rows(connection, "calendar.valid", calendar=calendar)]


def history(connection: Connection, calendar: str | None = None) -> list[tuple[Override, datetime | None]]:
    """Whatever was decided, and since when it no longer holds."""
    with translated():
        found = rows(connection, "calendar.history", calendar=calendar)
    return [(_override(*row), until) for *row, until in found]


def declare(connection: Connection, table: Calendar, overrides: Iterable[Override]) -> None:
    """Let these decisions hold, all or none, a journal line each. The caller commits. Raises Conflict.

    `table` is the calendar without any override: what it says already needs no decision.
    """
    for each in overrides:
        with translated():
            _refuse_a_second(connection, each)
            _refuse_the_obvious(table, each)
            if not run(connection, "calendar.declare", **_values(each)):  # somebody else did, in this very moment
                _refuse_a_second(connection, each)
                raise Conflict(f"{each.calendar} {each.day} was declared and withdrawn just now: declare it again")
            write(connection, "declare", None, each.by, each.reason, **_detail(each), evidence=each.evidence)


def withdraw(connection: Connection, calendar: str, day: date, by: str, reason: str) -> Override:
    """End the decision about a day; what it was. The caller commits. Raises NoOverride."""
    with translated():
        found = maybe(connection, "calendar.standing", calendar=calendar, day=day)
        if not (found and run(connection, "calendar.withdraw", calendar=calendar, day=day)):
            raise NoOverride(f"{calendar} {day} has no override: `feedfall calendar overrides` lists those there are")
        gone = _override(*found)
        write(connection, "withdraw", None, by, reason, **_detail(gone))
    return gone


def copy(connection: Connection, calendar: str) -> Copy | None:
    """What the calendar service last said of a calendar, and how long ago. Ends no transaction."""
    with translated():
        found = maybe(connection, "calendar.copy", calendar=calendar)
    return Copy(*found) if found else None


def keep(connection: Connection, calendar: str, etag: str, document: str) -> None:
    """Keep what the calendar service says now. Commits."""
    with translated():
        run(connection, "calendar.keep", calendar=calendar, etag=etag, document=document)
        connection.commit()


def _refuse_a_second(connection: Connection, wanted: Override) -> None:
    found = maybe(connection, "calendar.standing", calendar=wanted.calendar, day=wanted.day)
    if found is not None:
        standing = _override(*found)
        raise Conflict(
            f"{wanted.calendar} {wanted.day} is declared {_word(standing)} already, by {standing.by} "
            f"({standing.reason}): first `feedfall calendar withdraw {wanted.calendar} {wanted.day}`"
        )


def _refuse_the_obvious(table: Calendar, wanted: Override) -> None:
    if table.name == NONE:
        raise Conflict(f"{NONE} is the calendar on which every day is a business day: it takes no override")
    told = table.override(wanted.day)
    if told is not None and told.calendar == wanted.calendar:
        raise Conflict(f"a calendar file declares {table.name} {wanted.day} {_word(told)} already: change it there")
    try:
        closure = table.closure(wanted.day)
    except NotCovered:
        return  # beyond the table an override is all that is known
    if wanted.is_open and closure is None:
        raise Conflict(f"{table.name} is open on {wanted.day} already: nothing to declare")
    if not wanted.is_open and closure is not None:
        raise Conflict(f"{table.name} is closed on {wanted.day} already ({closure}): nothing to declare")


def _override(  # a row, in the order of calendar.sql
    calendar: str,
    day: date,
    is_open: bool,  # noqa: FBT001 -- a column
    reason: str,
    evidence: str,
    by: str,
    at: datetime,
) -> Override:
    return Override(calendar, day, is_open=is_open, reason=reason, evidence=evidence, by=by, at=at)


def _word(override: Override) -> str:
    return "open" if override.is_open else "closed"


def _values(each: Override) -> dict[str, object]:
    return {name: getattr(each, name) for name in ("calendar", "day", "is_open", "reason", "evidence", "by")}


def _detail(each: Override) -> dict[str, object]:
    return {"calendar": each.calendar, "day": each.day.isoformat(), "open": each.is_open}
