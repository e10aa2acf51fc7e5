"""Refreshes the ledger's copies of calendars from the calendar service. Called by pub and sweep through `calendars`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

import ledger.calendar
from business_day import UnknownCalendar
from calendar_client.client import Client, Unreachable
from steps.run.exits import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable

    from calendar_client.copy import Copy
    from steps.run.execution import Execution


class Copies:
    """The copies in the run's own database, for a pod has no disk."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def read(self, name: str) -> Copy | None:
        return ledger.calendar.copy(self._execution.connection, name)

    def keep(self, name: str, etag: str, document: str) -> None:
        ledger.calendar.keep(self._execution.connection, name, etag, document)


def refresh_copies(execution: Execution, names: Iterable[str]) -> None:
    """Refresh each calendar, until the first request that is not answered: the run has more to do than wait."""
    with _client(execution) as client:
        for name in names:
            try:
                client.refresh(name)
            except UnknownCalendar as error:
                print(f"CALENDAR {name}: the service says: {error}", flush=True)  # noqa: T201 -- the pod's log is what operators read
            except Unreachable as error:
                print(f"CALENDAR {name}: {error}; the copy here still counts, until it is too old", flush=True)  # noqa: T201 -- likewise
                return


def _client(execution: Execution) -> Client:
    source = execution.settings.calendars
    try:
        return Client(source.url, Copies(execution), ca=source.ca)
    except (OSError, httpx.InvalidURL) as error:
        words = f"the calendar service cannot be reached: {error}"
        raise Misconfigured(f"{words}. Check FEEDFALL_CALENDAR_URL and FEEDFALL_CALENDAR_CA_FILE") from error
