"""The calendar that a run decides with. The one place where steps open one.

FEEDFALL_CALENDAR_URL    a run decides with
not set                  our tables, and the overrides of this database: here is the calendars' home
set                      the copy that this database has of what the calendar service said; pub and sweep refresh it,
                         and when it is too old nobody guesses: exit 75
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import business_day
from calendar_client import copy
from ledger.calendar import load_copy, load_overrides
from steps.run.exits import Misconfigured, Transient

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.database import Connection
    from steps.run.execution import Execution
    from steps.run.settings import Calendars


def opened(execution: Execution, name: str) -> business_day.Calendar:
    """Open a calendar as it is known now; its `version` is what a run decided with. Raises Transient, Misconfigured."""
    return known(execution.connection, name, execution.settings.calendars)


def known(connection: Connection, name: str, source: Calendars) -> business_day.Calendar:
    """The same for who has no run: `feedfall submit` must judge a day as the pod will. Ends no transaction."""
    try:
        if not source.url or name == business_day.NONE:
            return business_day.calendar(name, load_overrides(connection), business_day.read_own(source.files))
        return copy.open_copy(name, load_copy(connection, name), source.hours * copy.HOUR)
    except copy.Unavailable as error:
        raise Transient(f"{error}, and {source.url} has not confirmed it since. {TO_DO}") from error
    except business_day.CalendarError as error:
        raise Misconfigured(str(error)) from error


def refresh(execution: Execution, names: Iterable[str]) -> None:
    """Ask the calendar service, where there is one, what it says now. Its outage is said, and nothing more. Commits."""
    if execution.settings.calendars.url:
        from steps.run.calendar_refresh import refresh_copies  # noqa: PLC0415 -- sub reads this module and never pays for an HTTP client

        refresh_copies(execution, sorted(set(names) - {business_day.NONE}))


TO_DO = (
    "Look at the calendar service; the next run goes on from here. To order without any calendar: --policy=OrderAnyway"
)
