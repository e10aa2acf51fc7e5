"""Every calendar as it is now: the tables, read once, and the ledger's overrides, read every two seconds.

    refresher (a thread)  ──▶ Snapshot ──▶ any number of requests      no request waits for the database
    declare, withdraw     ──▶ a transaction of their own, then a refresh: the next answer has it

An answer is at most `REFRESH_EVERY` seconds old while the database answers. When it does not, the last snapshot is used
for `SERVE_FOR` seconds. Then OutOfDate is raised: an old answer must not look like a new one.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import business_day
from ledger.calendar import load_overrides
from ledger.database import Connection, check, connect
from ledger.errors import Failure, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from business_day import Calendar, Override, OwnCalendars

REFRESH_EVERY = 2.0
SERVE_FOR = 300.0
STUCK_AFTER = 60.0
"""Seconds: a refresh that has neither succeeded nor failed for so long hangs, and the process must be restarted."""


class OutOfDate(Exception):  # noqa: N818 -- a state, not an error of ours
    """The overrides were not read for too long: the last snapshot may no longer be right."""


@dataclass(frozen=True)
class Snapshot:
    """The overrides at one moment. A calendar is opened at its first use."""

    overrides: Sequence[Override]
    own: OwnCalendars
    _calendars: dict[str, Calendar] = field(default_factory=dict)

    def calendar(self, name: str) -> Calendar:
        """The calendar of that name; opened once, then kept. Raises UnknownCalendar."""
        calendar = self._calendars.get(name)
        if calendar is None:
            calendar = self._calendars[name] = business_day.calendar(name, self.overrides, self.own)
        return calendar

    def calendars(self) -> dict[str, Calendar]:
        """All calendars by name."""
        return {name: self.calendar(name) for name in business_day.names(self.own)}

    def overrides_of(self, name: str | None) -> list[Override]:
        """The overrides of one calendar, or all of them."""
        return [each for each in self.overrides if name in (None, each.calendar)]

    def table(self, name: str) -> Calendar:
        """A calendar without the ledger's overrides. Raises UnknownCalendar."""
        return business_day.calendar(name, (), self.own)


class Current:
    """The newest snapshot, and transactions that change the overrides."""

    def __init__(self, url: str, own: OwnCalendars, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._own, self._clock = url, own, clock
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._connection: Connection | None = None
        self._snapshot: Snapshot | None = None
        self._read_at = float("-inf")
        self._tried_at = clock()
        self._reported = ""

    @property
    def stuck(self) -> bool:
        """Does the refresh hang? An outage does not count: there each refresh fails, and the next one starts."""
        return self._clock() - self._tried_at > STUCK_AFTER

    @property
    def age(self) -> float:
        """Seconds since the overrides were last read."""
        return self._clock() - self._read_at

    def snapshot(self, limit: float = SERVE_FOR) -> Snapshot:
        """The newest snapshot, at most `limit` seconds old. Raises OutOfDate."""
        if self._snapshot is None:
            raise OutOfDate("overrides not loaded yet: the service has just started, or its database does not answer")
        if self.age > limit:
            raise OutOfDate(
                f"overrides not read for {self.age:.0f} s: the database does not answer, and they may have changed"
            )
        return self._snapshot

    @contextmanager
    def follow_database(self) -> Iterator[None]:
        """Refresh now, and then every two seconds until the block ends."""
        self._try_refresh()
        thread = threading.Thread(target=self._refresh_until_stopped, name="overrides", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()
            self.close()

    def refresh(self) -> None:
        """Read the overrides. Raises Transient or Misconfigured, and then keeps the last snapshot."""
        with self._lock:
            try:
                began = self._clock()
                with translated():
                    overrides = load_overrides(self._open())
                if self._snapshot is None or overrides != self._snapshot.overrides:
                    self._snapshot = Snapshot(overrides, self._own)
                self._read_at = began
            except Exception:
                self.close()
                raise

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction on a connection of its own. The snapshot has its changes after the block, or 2 s later."""
        connection = connect(self._url, "feedfall calendar")
        try:
            yield connection
            with translated():
                connection.commit()
        finally:
            connection.close()
        with suppress(Failure):  # it is committed, even if this refresh fails
            self.refresh()

    def _refresh_until_stopped(self) -> None:
        while not self._stopped.wait(REFRESH_EVERY):
            self._try_refresh()

    def _try_refresh(self) -> None:
        """Refresh once. An outage is logged when it begins and when it ends, not every two seconds."""
        try:
            self.refresh()
            words = ""
        except Failure as error:
            words = f"overrides not read: {error}"
        except Exception as error:  # noqa: BLE001 -- whatever it is, the next refresh must come
            words = f"overrides not read: an internal error (a bug in feedfall): {type(error).__name__}: {error}"
        if words != self._reported:
            print(words or "overrides read again", flush=True)  # noqa: T201 -- the pod's log
        self._reported, self._tried_at = words, self._clock()

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = connect(self._url, "feedfall calendar", autocommit=True)
            check(self._connection)
        return self._connection

    def close(self) -> None:
        """Close the connection; the next refresh opens another."""
        if self._connection:
            self._connection.close()
        self._connection = None
