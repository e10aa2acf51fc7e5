"""Who may drain a `LeaseKey` now. One lease, one epoch, one writer at a time.

free ──take──▶ held ──release──▶ free        A taker fences the holder before it in two steps:
 ▲             │  renew every 10 s           1. `take`     the row is ours, its epoch is higher: a late renewal
 └──expires────┘  (30 s)                                   or a new chunk of the old holder finds that at once
                                             2. `exclude`  no backend of the old holder is inside a chunk any
                                                           more, then the checkpoint rows take the new epoch
"""

import time
from dataclasses import dataclass

import psycopg

from ledger.database import Connection, at_once, maybe, one, rows, run
from ledger.errors import Fenced, Misconfigured, Transient, translated
from ledger.key import LeaseKey

SECONDS = 30.0
#: The first number of our advisory locks ("feed" in ASCII); the second is the lease's id.
SPACE = 0x66656564


@dataclass(frozen=True)
class Lease:
    """A lease that this run holds, or held: the epoch decides."""

    id: int
    epoch: int
    key: LeaseKey
    run: int
    previous_run: int | None = None
    """The run that held it last."""


@dataclass(frozen=True)
class LeaseState:
    """A lease as it stands in the ledger. The epoch of one that was never taken is 0."""

    epoch: int = 0
    is_free: bool = True


def take(connection: Connection, key: LeaseKey, *, holder: str, run_id: int, seconds: float = SECONDS) -> Lease | None:
    """Take the lease and commit; None when a live run holds it. `holder`: the Workflow's uid."""
    with translated(), at_once(connection):
        run(connection, "lease.ensure", **vars(key))
        taken = maybe(connection, "lease.take", **vars(key), holder=holder, run=run_id, seconds=seconds)
        if not taken:
            run(connection, "lease.cap", **vars(key), seconds=seconds)
    return Lease(taken[0], taken[1], key, run_id, taken[2]) if taken else None


def exclude(connection: Connection, lease: Lease, *, patience: float = 10.0) -> None:
    """End every backend still inside a chunk of an earlier holder, then fence. Leaves the transaction open, locked.

    Raises Fenced when a later taker is already here, Misconfigured without the right to end a backend.
    """
    deadline = time.monotonic() + patience
    with translated():
        while not one(connection, "lease.lock", space=SPACE, id=lease.id)[0]:
            writers = rows(connection, "lease.writers", space=SPACE, id=lease.id)
            _check_still_held(connection, lease)  # after the list: so none of them is a later taker's
            for (pid,) in writers:
                end_backend(connection, pid)
            connection.rollback()
            if time.monotonic() > deadline:
                raise Transient(f"a backend that writes {lease.key.feed} did not end within {patience:.0f} s")
            time.sleep(0.02)
        _check_still_held(connection, lease)
        run(connection, "lease.fence", epoch=lease.epoch, **vars(lease.key))
        run(connection, "lease.lost", run=lease.previous_run, by=lease.run)


def killed_in_a_row(connection: Connection, key: LeaseKey, most: int) -> int:
    """Count the runs of this drain that were killed at its checkpoint, since a person last freed the feed.

    Exact from `most` on only: below it the journal, which may be long, is not read. Ends no transaction.
    """
    with translated():
        killed: int = one(connection, "lease.killed", **vars(key))[0]
        if killed < most:
            return killed
        since_freed: int = one(connection, "lease.killed_since_freed", **vars(key))[0]
    return min(killed, since_freed)


def _check_still_held(connection: Connection, lease: Lease) -> None:
    if not one(connection, "lease.mine", id=lease.id, epoch=lease.epoch)[0]:
        raise Fenced(f"the lease of {lease.key} went to another run")


def end_backend(connection: Connection, pid: int) -> None:
    """End another session of this database. Raises Misconfigured that names the GRANT."""
    try:
        run(connection, "lease.end", pid=pid)
    except psycopg.errors.InsufficientPrivilege as error:
        connection.rollback()
        role = one(connection, "lease.me")[0]
        raise Misconfigured(
            f"a frozen run (backend {pid}) still holds the writer's lock and role {role} may not end it: "
            f"GRANT pg_signal_backend TO {role}, or end it as its owner: SELECT pg_terminate_backend({pid})"
        ) from error


def guard(connection: Connection, lease: Lease) -> None:
    """The first statement of every chunk: locks out other writers until it commits. Raises Fenced."""
    locked, mine = one(connection, "lease.guard", space=SPACE, id=lease.id, epoch=lease.epoch)
    if not mine:
        raise Fenced(f"another run drains {lease.key} now; this one wrote nothing more")
    if not locked:  # a previous holder woke up and looks whether its last COMMIT got there
        exclude(connection, lease)


def renew(connection: Connection, lease: Lease, seconds: float = SECONDS) -> bool:
    """Hold it for `seconds` more; False when it is no longer ours. On an autocommit connection."""
    with translated():
        return run(connection, "lease.renew", id=lease.id, epoch=lease.epoch, seconds=seconds) == 1


def release(connection: Connection, lease: Lease) -> None:
    """Free it, if it is still ours, and commit; what is open is rolled back."""
    with translated(), at_once(connection):
        run(connection, "lease.release", id=lease.id, epoch=lease.epoch)


def holder(connection: Connection, key: LeaseKey) -> str:
    """Name the holder, in words."""
    with translated():
        name, seconds = maybe(connection, "lease.held", **vars(key)) or (None, None)
    return f"{name} holds the lease for {seconds:.0f} s more" if seconds and seconds > 0 else "the lease is free"


def at_work(connection: Connection, key: LeaseKey) -> bool:
    """Is a run inside a chunk of this drain now, as the database sees it?"""
    with translated():
        return bool(one(connection, "lease.at_work", space=SPACE, **vars(key))[0])


def cap(connection: Connection, seconds: float) -> None:
    """Let no lease last longer than that from now, wherever the database's clock was, and commit."""
    with translated(), at_once(connection):
        run(connection, "lease.cap", feed=None, stage=None, shard=None, seconds=seconds)


def states(connection: Connection) -> dict[LeaseKey, LeaseState]:
    """Return every lease that was ever taken."""
    with translated():
        return {LeaseKey(*key): LeaseState(epoch, free) for *key, epoch, free in rows(connection, "lease.states")}
