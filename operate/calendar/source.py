"""The calendars of this environment: the tables, one's own files, and the overrides of the database, where one is set.

FEEDFALL_CALENDARS      a TOML file of calendars and overrides, or a folder of them
DATABASE_URL            not set: no override but those of the files
FEEDFALL_CALENDAR_URL   the calendars' home is elsewhere: the database has a copy (steps/run/calendars.py)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import business_day
from business_day import Calendar, Policy
from ledger import databases
from steps.run import calendars, settings
from steps.run.exits import Misconfigured


def own_calendars(environ: Mapping[str, str]) -> business_day.OwnCalendars:
    """What one's own files define. Raises BadCalendar."""
    return business_day.read_own(environ.get("FEEDFALL_CALENDARS", ""))


def open_calendar(name: str, environ: Mapping[str, str]) -> Calendar:
    """Open a calendar as a run would. Raises Failure, CalendarError."""
    if not databases.is_set(environ):
        return business_day.calendar(name, own=own_calendars(environ))
    with databases.transaction(environ, "feedfall calendar") as connection:
        return calendars.read_calendar(connection, name, settings.calendars(environ))


def open_calendars(environ: Mapping[str, str]) -> list[Calendar]:
    """Open every calendar that there is."""
    return [open_calendar(name, environ) for name in business_day.names(own_calendars(environ))]


def shift(calendar: Calendar, day: date, policy: Policy | None, days: int | None) -> date | None:
    """Where a policy, or a number of business days, leads from a day. None: the policy does not do the work at all."""
    if policy and days is None:
        return business_day.shift(calendar, day, policy)
    if days is not None and not policy:
        return calendar.offset(day, days)
    raise Misconfigured("give either --policy or --days: `--policy=OrderOnNextConfirmedDay`, or `--days=+3`")
