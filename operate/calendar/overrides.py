"""declare, withdraw and list overrides: decisions about days, in the calendars' home. They hold from the next run on.

A file does the same without a database (FEEDFALL_CALENDARS); the calendar service does it over HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime

import business_day
from business_day import Override
from ledger import calendar, databases
from ledger.database import Connection
from ledger.errors import Misconfigured
from operate.act import Act, Actor, acting, check_reason
from operate.calendar.source import own_calendars


def declare(environ: Mapping[str, str], overrides: Sequence[Override], actor: Actor, reason: str) -> list[Override]:
    """Declare overrides in a person's name: all of them or none, a journal line each. Raises Conflict."""
    own, signed = own_calendars(environ), [_signed(each, actor.who) for each in overrides]
    for each in signed:
        check_reason(each.reason)
    asked = {"days": [f"{each.calendar} {each.day}" for each in signed][:100]}
    with _home(environ) as connection, acting(connection, Act("declare", actor, reason, arguments=asked)):
        for name in sorted({each.calendar for each in signed}):
            table = business_day.calendar(name, own=own)
            calendar.declare_overrides(connection, table, [each for each in signed if each.calendar == name])
    return signed


def withdraw(environ: Mapping[str, str], name: str, day: date, actor: Actor, reason: str) -> Override:
    """Withdraw the override of a day; what it was stays in the history. Raises NoOverride."""
    asked = {"days": [f"{name} {day}"]}
    with _home(environ) as connection, acting(connection, Act("withdraw", actor, reason, arguments=asked)) as record:
        return calendar.withdraw_override(connection, name, day, actor.who, record.act.reason)


def list_overrides(
    environ: Mapping[str, str], name: str | None, *, history: bool
) -> list[tuple[Override, datetime | None]]:
    """The overrides in force of one calendar or of all; with `history` the others too, and when each was withdrawn."""
    with _home(environ) as connection:
        found = calendar.load_history(connection, name)
    return [(each, until) for each, until in found if history or not until]


def _signed(each: Override, by: str) -> Override:
    return Override(each.calendar, each.day, is_open=each.is_open, reason=each.reason, evidence=each.evidence, by=by)


def _home(environ: Mapping[str, str]) -> AbstractContextManager[Connection]:
    """The calendars' home. Raises Misconfigured where it is elsewhere: no run would read what is declared here."""
    if url := environ.get("FEEDFALL_CALENDAR_URL"):
        raise Misconfigured(f"the calendars' home is {url}: declare there (docs/calendar.md), or unset the variable")
    return databases.transaction(environ, "feedfall calendar", "The overrides are there")
