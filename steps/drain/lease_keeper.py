"""Leases as a run holds them: taken, renewed while the main loop makes progress, released however the run ends.

The keeper is a thread with a connection of its own, opened at the first renewal: a run of less than ten seconds never
needs it.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ledger import lease
from ledger.database import connect
from steps.run.execution import Outcome
from steps.run.exits import Failure, Fenced, Transient
from steps.run.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from typing import Self

    from ledger.database import Connection
    from ledger.key import LeaseKey
    from ledger.lease import Choice, Lease
    from steps.run.execution import Execution


def exclusively(
    execution: Execution, key: LeaseKey, partitions: Collection[int], act: Callable[[Lease, Keeper], Outcome]
) -> Outcome:
    """Take the leases of these partitions, end what their previous holders left open in the database, act, release.

    BUSY where a live run holds one. `act` begins a chunk with `lease.guard`.
    """
    held = take(execution, key, partitions)
    if held is None:
        return Outcome(Status.BUSY, reason=lease.holder(execution.connection, key))
    with keep(execution, held) as keeper:
        lease.exclude(execution.connection, held)
        execution.connection.commit()
        return act(held, keeper)


def take(
    execution: Execution, key: LeaseKey, partitions: Collection[int], choose: Choice | None = None
) -> Lease | None:
    """Take leases for this run, of all these partitions or of those that are chosen; None when it has none."""
    seconds = execution.settings.lease_seconds
    return lease.take(execution.connection, key, partitions, run_id=execution.run, seconds=seconds, choose=choose)


@contextmanager
def keep(execution: Execution, held: Lease) -> Iterator[Keeper]:
    """Renew it within the block and release it after, however it ends; what was not committed is rolled back."""
    settings = execution.settings
    try:
        with Keeper(settings.database_url, settings.uid, held, settings.lease_seconds) as keeper:
            yield keeper
    except BaseException:
        with suppress(Transient):  # the first failure is the one to report; the lease expires by itself
            _release(execution, held)
        raise
    _release(execution, held)


def _release(execution: Execution, held: Lease) -> None:
    if not (execution.connection.closed or execution.connection.broken):
        lease.release(execution.connection, held)


#: Seconds after which a main loop that makes no progress is no longer kept alive.
SILENCE = 120.0


class Keeper:
    """Renews leases each third of their seconds, until the block ends, one is lost or the main loop is silent."""

    def __init__(self, url: str, name: str, held: Lease, lives: float) -> None:
        self._url, self._name, self._lease, self._lives = url, name, held, lives
        self._leave, self._lost = threading.Event(), threading.Event()
        self._beaten = time.monotonic()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def beat(self) -> None:
        """Note that the main loop is alive. Raises Fenced when the lease went to another run."""
        self._beaten = time.monotonic()
        if self._lost.is_set():
            raise Fenced(f"the lease of {self._lease.key} was lost; this run stops at once")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self._thread.join(1.0)  # a renewal in flight is harmless: the lease is released by its epoch

    def _keep(self) -> None:
        connection: Connection | None = None
        renewed = time.monotonic()
        while not self._leave.wait(self._lives / 3) and time.monotonic() - self._beaten < SILENCE:
            try:
                connection = connection or connect(self._url, f"{self._name} keeper", autocommit=True)
                if not lease.renew(connection, self._lease, self._lives):
                    break
                renewed = time.monotonic()
            except Failure:  # out of reach for now: try again until the lease has surely expired
                if connection:
                    connection.close()
                connection = None
                if time.monotonic() - renewed > self._lives:
                    break
        if not self._leave.is_set():
            self._lost.set()
        if connection:
            connection.close()
