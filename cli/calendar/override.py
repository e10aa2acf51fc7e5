"""`feedfall calendar declare`, `withdraw` and `overrides`: decisions about days. They hold from the next run on."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from business_day import Override, read_date
from business_day.dates import FORMS
from cli import show
from cli.options import By, Json, Reason, actor, visible
from operate.calendar import overrides as decisions

CalendarName = Annotated[
    str, typer.Argument(help="A calendar, such as BANK; `feedfall calendar list` names all.", metavar="CALENDAR")
]
AnyCalendar = Annotated[str | None, typer.Argument(help="Only this calendar; all if absent.", metavar="[CALENDAR]")]
BaseDay = Annotated[str, typer.Argument(help=f"기준일자: {FORMS}.", metavar="DATE")]
OpenOrClosed = Annotated[
    bool, typer.Option("--open/--closed", help="What it is, whatever its table says.", show_default=False)
]
Evidence = Annotated[
    str, typer.Option(help="Where the decision can be read: a gazette's number, a letter, a URL.", callback=visible)
]
History = Annotated[bool, typer.Option("--history", help="Also withdrawn overrides.")]


def declare(
    name: CalendarName, day: BaseDay, reason: Reason, evidence: Evidence, by: By, *, is_open: OpenOrClosed
) -> None:
    """Declare a day open or closed, whatever its table says. Holds from the next run on; nothing is deployed."""
    wanted = Override(name, read_date(day), is_open=is_open, reason=reason, evidence=evidence)
    [declared] = decisions.declare(os.environ, [wanted], actor(by), reason)
    show.say(f"{name} {declared.day} is declared {_word(declared)}: {reason}. It holds from the next run on.")


def withdraw(name: CalendarName, day: BaseDay, reason: Reason, by: By) -> None:
    """Withdraw the override of a day: its table decides again. The override stays in the history."""
    gone = decisions.withdraw(os.environ, name, read_date(day), actor(by), reason)
    show.say(f"{name} {gone.day} is no longer declared {_word(gone)}.")


def overrides(name: AnyCalendar = None, *, history: History = False, as_json: Json = False) -> None:
    """List the overrides in force, with their reasons and evidence."""
    found = decisions.list_overrides(os.environ, name, history=history)
    lines = [(o.calendar, o.day, _word(o), o.reason, o.evidence, o.by, o.at, until) for o, until in found]
    if as_json:
        return show.as_json([dict(zip(COLUMNS, line, strict=True)) for line in lines])
    return show.table(COLUMNS, lines, empty="Nothing is declared: the tables hold as they are.")


COLUMNS = ("calendar", "day", "is", "reason", "evidence", "by", "at", "withdrawn")


def _word(override: Override) -> str:
    return "open" if override.is_open else "closed"
