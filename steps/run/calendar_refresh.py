"""Refreshes the ledger's copies of calendars from the calendar service. Called by pub and sweep through `calendars`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from business_day import UnknownCalendar
from calendar_client.client import Client, Unreachable
from ledger.calendar import load_copy, save_copy
from steps.run.exits import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable

    from calendar_client.copy import Copy
    from steps.run.execution import Execution


class LedgerCopies:
    """Copies in the run's own database: a pod has no disk."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def read(self, name: str) -> Copy | None:
        return load_copy(self._execution.connection, name)

    def save(self, name: str, etag: str, document: str) -> None:
        save_copy(self._execution.connection, name, etag, document)


def refresh_copies(execution: Execution, names: Iterable[str]) -> None:
    """Refresh each calendar. Stop at the first that is not answered: the run must not wait for the others."""
    with _client(execution) as client:
        for name in names:
            try:
                client.refresh(name)
            except UnknownCalendar as error:
                print(f"CALENDAR {name}: the calendar service answers: {error}", flush=True)  # noqa: T201 -- the pod's log
            except Unreachable as error:
                print(f"CALENDAR {name}: {error}; its copy is used until it is too old", flush=True)  # noqa: T201 -- likewise
                return


def _client(execution: Execution) -> Client:
    source = execution.settings.calendars
    try:
        return Client(source.url, LedgerCopies(execution), ca=source.ca)
    except (OSError, httpx.InvalidURL) as error:
        words = f"no request can be sent to the calendar service: {error}"
        raise Misconfigured(f"{words}. Check FEEDFALL_CALENDAR_URL and FEEDFALL_CALENDAR_CA_FILE") from error
