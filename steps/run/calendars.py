"""The calendar that a run decides with. The one place where steps open one.

FEEDFALL_CALENDAR_URL    a run decides with
not set                  our tables, and the overrides of this database: here is the calendars' home
set                      this database's copy of the calendar service's answer; pub and sweep refresh it,
                         and when it is too old no date is guessed: exit 75
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import business_day
from calendar_client import copy
from ledger.calendar import load_copy, load_overrides
from ledger.databases import variable
from steps.run.exits import Misconfigured, Transient

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.database import Connection
    from steps.run.execution import Execution
    from steps.run.settings import Calendars


def open_calendar(execution: Execution, name: str) -> business_day.Calendar:
    """Open a calendar as it is known now; its `version` is what a run decided with. Raises Transient, Misconfigured."""
    return read_calendar(execution.connection, name, execution.settings.calendars)


def read_calendar(connection: Connection, name: str, source: Calendars) -> business_day.Calendar:
    """Read it without a run: `feedfall submit` must judge a day as the pod will. Ends no transaction."""
    if source.database and not source.url and name != business_day.NONE:
        raise Misconfigured(
            f"calendar {name}: its home is the database of DATABASE_URL, and this feed's rows are in that of "
            f"{variable(source.database)}. Set FEEDFALL_CALENDAR_URL to a calendar service on the first"
        )
    try:
        if not source.url or name == business_day.NONE:
            return business_day.calendar(name, load_overrides(connection), business_day.read_own(source.files))
        return copy.open_copy(name, load_copy(connection, name), source.hours * copy.HOUR)
    except copy.Unavailable as error:
        raise Transient(f"{error}, and {source.url} has not confirmed it since. {TO_DO}") from error
    except business_day.CalendarError as error:
        raise Misconfigured(str(error)) from error


def refresh(execution: Execution, names: Iterable[str]) -> None:
    """Refresh the copies from the calendar service, where there is one. Its outage is printed, not raised. Commits."""
    if execution.settings.calendars.url:
        from steps.run.calendar_refresh import refresh_copies  # noqa: PLC0415 -- sub reads this module and never pays for an HTTP client

        refresh_copies(execution, sorted(set(names) - {business_day.NONE}))


TO_DO = (
    "Look at the calendar service; the next run goes on from here. To request without a calendar: --policy=OrderAnyway"
)
