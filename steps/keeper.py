"""The heartbeat of a lease: a thread that renews it while the main loop makes progress, on a connection of its own.

The connection is opened at the first renewal: a run of less than ten seconds never needs it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger import lease
from ledger.database import connect
from steps.errors import Failure, Fenced

if TYPE_CHECKING:
    from types import TracebackType

    from ledger.database import Connection
    from ledger.lease import Lease


@dataclass(frozen=True)
class Rhythm:
    """Seconds: how long a lease lives, how often it is renewed, and after what silence of the main loop no more."""

    lives: float = lease.SECONDS
    every: float = lease.SECONDS / 3
    silence: float = 120.0


class Keeper:
    """Renews `held` until it is left. `beat()` says that work goes on; it raises Fenced once the lease is lost."""

    def __init__(self, url: str, name: str, held: Lease, rhythm: Rhythm) -> None:
        self._url, self._name, self._lease, self._rhythm = url, name, held, rhythm
        self._leave, self._lost = threading.Event(), threading.Event()
        self._beaten = time.monotonic()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def beat(self) -> None:
        """The main loop is alive. Raises Fenced when the lease went to another run."""
        self._beaten = time.monotonic()
        if self._lost.is_set():
            raise Fenced(f"the lease of {self._lease.feed} {self._lease.stage} was lost; this run stops at once")

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave.set()
        self._thread.join(self._rhythm.every)

    def _keep(self) -> None:
        connection: Connection | None = None
        renewed = time.monotonic()
        while not self._leave.wait(self._rhythm.every) and time.monotonic() - self._beaten < self._rhythm.silence:
            try:
                connection = connection or connect(self._url, f"{self._name} keeper", autocommit=True)
                if not lease.renew(connection, self._lease, self._rhythm.lives):
                    break
                renewed = time.monotonic()
            except Failure:  # out of reach for now: try again until the lease has surely expired
                if connection:
                    connection.close()
                connection = None
                if time.monotonic() - renewed > self._rhythm.lives:
                    break
        if not self._leave.is_set():
            self._lost.set()
        if connection:
            connection.close()
