"""Refreshes the ledger's copies of calendars from the calendar service. Called by pub and sweep through `calendars`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from business_day import UnknownCalendar
from calendar_client.client import Client, Unreachable
from ledger import calendar as book

if TYPE_CHECKING:
    from collections.abc import Iterable

    from calendar_client.copy import Copy
    from steps.execution import Execution


class Copies:
    """The copies in the run's own database, for a pod has no disk."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def read(self, name: str) -> Copy | None:
        return book.copy(self._execution.connection, name)

    def keep(self, name: str, etag: str, document: str) -> None:
        book.keep(self._execution.connection, name, etag, document)


def ask(execution: Execution, names: Iterable[str]) -> None:
    """Ask for each calendar; after the first that is not answered, for no other: the run has more to do than wait."""
    source = execution.settings.calendars
    with Client(source.url, Copies(execution), ca=source.ca) as client:
        for name in names:
            try:
                client.refresh(name)
            except UnknownCalendar as error:
                print(f"CALENDAR {name}: the service says: {error}", flush=True)  # noqa: T201 -- the pod's log is its desk
            except Unreachable as error:
                print(f"CALENDAR {name}: {error}; the copy here still counts, until it is too old", flush=True)  # noqa: T201 -- likewise
                return
