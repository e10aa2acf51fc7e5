"""Decisions about days, as a person takes them: declare, withdraw, list. They hold from the next run on.

A local file does the same without a database (FEEDFALL_CALENDARS); the calendar service does it over HTTP.
"""

from __future__ import annotations

import getpass
import os
from contextlib import AbstractContextManager
from typing import Annotated

import typer

import business_day
from business_day import Override, read_date
from cli import show
from cli.options import By, Json, Reason, visible
from ledger.calendar import declare_overrides, load_history, withdraw_override
from ledger.database import Connection, session
from ledger.errors import Misconfigured

Named = Annotated[str, typer.Argument(help="The calendar, such as BANK.", metavar="CALENDAR")]
AnyCalendar = Annotated[str | None, typer.Argument(help="Only this one; all if absent.", metavar="[CALENDAR]")]
Day = Annotated[str, typer.Argument(help="YYYY-MM-DD, YYYYMMDD or YYMMDD.", metavar="DAY")]
State = Annotated[
    bool, typer.Option("--open/--closed", help="What it is, whatever its table says.", show_default=False)
]
Evidence = Annotated[
    str, typer.Option(help="Where that can be read: a gazette's number, a letter, an address.", callback=visible)
]
History = Annotated[bool, typer.Option("--history", help="Also what was withdrawn.")]


def declare(name: Named, day: Day, reason: Reason, evidence: Evidence, by: By, *, is_open: State) -> None:
    """Declare a day open or closed, whatever its table says. Holds from the next run on; nothing is deployed."""
    wanted = Override(name, read_date(day), is_open=is_open, reason=reason, evidence=evidence, by=by)
    keep([wanted])
    show.say(f"{name} {wanted.day} is declared {_word(wanted)}: {reason}. It holds from the next run on.")


def withdraw(name: Named, day: Day, reason: Reason, by: By) -> None:
    """Withdraw what was declared about a day: its table speaks again. What was declared stays in the history."""
    with _home() as connection:
        gone = withdraw_override(connection, name, read_date(day), by, reason)
    show.say(f"{name} {gone.day} is no longer declared {_word(gone)}.")


def overrides(name: AnyCalendar = None, *, history: History = False, as_json: Json = False) -> None:
    """List the decisions that hold, with their reasons and evidence."""
    with _home() as connection:
        found = load_history(connection, name)
    lines = [_line(each, until) for each, until in found if history or not until]
    if as_json:
        return show.as_json([dict(zip(COLUMNS, line, strict=True)) for line in lines])
    return show.table(COLUMNS, lines, empty="Nothing is declared: the tables hold as they are.")


def keep(wanted: list[Override]) -> None:
    """Let decisions hold: all of them or none, a journal line each. Raises Conflict."""
    own = business_day.read_own(os.environ.get("FEEDFALL_CALENDARS", ""))
    with _home() as connection:
        for name in sorted({each.calendar for each in wanted}):
            table = business_day.calendar(name, own=own)
            declare_overrides(connection, table, [each for each in wanted if each.calendar == name])


COLUMNS = ("calendar", "day", "is", "reason", "evidence", "by", "at", "withdrawn")


def _line(each: Override, until: object) -> tuple[object, ...]:
    return (each.calendar, each.day, _word(each), each.reason, each.evidence, each.by, each.at, until)


def _word(each: Override) -> str:
    return "open" if each.is_open else "closed"


def _home() -> AbstractContextManager[Connection]:
    """The calendars' home, checked. Misconfigured where it is elsewhere: what is declared here would never be asked."""
    if url := os.environ.get("FEEDFALL_CALENDAR_URL"):
        raise Misconfigured(f"the calendars' home is {url}: declare there (docs/calendar.md), or unset the variable")
    if not os.environ.get("DATABASE_URL"):
        raise Misconfigured("not set: DATABASE_URL. What is declared is kept there")
    return session(os.environ["DATABASE_URL"], f"feedfall {getpass.getuser()}")
