"""Every calendar as it stands now: the tables, read once, and the ledger's overrides, read every two seconds.

    refresher (a thread)  ──▶ Snapshot ──▶ any number of requests      no request waits for the database
    declare, withdraw     ──▶ a transaction of their own, then a refresh: who declared sees it at once

An answer is at most `EVERY` old while the database answers. When it does not, the last snapshot serves for `LIMIT`;
then OutOfDate: an old answer must not pass for a new one.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import business_day
from ledger import calendar as book
from ledger.database import Connection, check, connect
from ledger.errors import Failure, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from business_day import Calendar, Override, Own

EVERY = 2.0
LIMIT = 300.0
STUCK = 60.0
"""Seconds after which a look that has not come back, not even with an error, never will: start the process again."""


class OutOfDate(Exception):  # noqa: N818 -- reads as what it says
    """The database was not heard for too long: what is known may no longer hold."""


@dataclass(frozen=True)
class Snapshot:
    """What held at one moment. Calendars are opened when first asked for."""

    overrides: Sequence[Override]
    own: Own
    _opened: dict[str, Calendar] = field(default_factory=dict)

    def calendar(self, name: str) -> Calendar:
        """Open a calendar, once. Raises UnknownCalendar."""
        found = self._opened.get(name)
        if found is None:
            found = self._opened[name] = business_day.calendar(name, self.overrides, self.own)
        return found

    def calendars(self) -> dict[str, Calendar]:
        """Every calendar there is, by name."""
        return {name: self.calendar(name) for name in business_day.names(self.own)}

    def overrides_of(self, name: str | None) -> list[Override]:
        """The decisions about one calendar, or all of them."""
        return [each for each in self.overrides if name in (None, each.calendar)]

    def table(self, name: str) -> Calendar:
        """A calendar as it is without the ledger's decisions. Raises UnknownCalendar."""
        return business_day.calendar(name, (), self.own)


class Current:
    """The newest snapshot, and the way to change what holds."""

    def __init__(self, url: str, own: Own, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._own, self._clock = url, own, clock
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._connection: Connection | None = None
        self._snapshot: Snapshot | None = None
        self._heard = float("-inf")
        self._looked = clock()
        self._said = ""

    @property
    def stuck(self) -> bool:
        """Has nobody looked for so long? An outage does not count: there the looks fail, one by one."""
        return self._clock() - self._looked > STUCK

    @property
    def age(self) -> float:
        """Seconds since the database was last heard."""
        return self._clock() - self._heard

    def snapshot(self, limit: float = LIMIT) -> Snapshot:
        """What holds now, or held at most so many seconds ago. Raises OutOfDate."""
        if self._snapshot is None:
            raise OutOfDate("the database was not heard yet: nothing is known")
        if self.age > limit:
            raise OutOfDate(f"the database was not heard for {self.age:.0f} s: what is known may no longer hold")
        return self._snapshot

    @contextmanager
    def following(self) -> Iterator[None]:
        """Refresh now, and then every two seconds until the block ends."""
        self._try()
        thread = threading.Thread(target=self._follow, name="overrides", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()
            self.close()

    def refresh(self) -> None:
        """Read the overrides. Raises Transient or Misconfigured, and then keeps what was known."""
        with self._lock:
            try:
                asked = self._clock()
                with translated():
                    found = book.overrides(self._open())
                if self._snapshot is None or found != self._snapshot.overrides:
                    self._snapshot = Snapshot(found, self._own)
                self._heard = asked
            except Failure:
                self.close()
                raise

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction of one's own; what it changed is known here when the block has ended, or two seconds later."""
        connection = connect(self._url, "feedfall calendar")
        try:
            yield connection
            with translated():
                connection.commit()
        finally:
            connection.close()
        with suppress(Failure):  # it is committed, whatever the next look says
            self.refresh()

    def _follow(self) -> None:
        while not self._stopped.wait(EVERY):
            self._try()

    def _try(self) -> None:
        """Look once more. An outage is said when it begins and when it ends, not every two seconds."""
        try:
            self.refresh()
            words = ""
        except Failure as error:
            words = f"the overrides were not read: {error}"
        if words != self._said:
            print(words or "the overrides are read again", flush=True)  # noqa: T201 -- the pod's log is its desk
        self._said, self._looked = words, self._clock()

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = connect(self._url, "feedfall calendar", autocommit=True)
            check(self._connection)
        return self._connection

    def close(self) -> None:
        """Give the connection back; the next look opens another."""
        if self._connection:
            self._connection.close()
        self._connection = None
