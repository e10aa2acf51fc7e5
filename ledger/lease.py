"""Who may drain which partitions of a `LeaseKey` now. A partition has one lease, one epoch, one writer at a time.

free ──take──▶ held ──release──▶ free        A taker fences the holder before it in two steps:
 ▲             │  renew every 10 s           1. `take`     the rows are ours, their epochs are higher: a late renewal
 └──expires────┘  (30 s)                                   or a new chunk of the old holder finds that at once
                                             2. `exclude`  no backend of the old holder is inside a chunk any
                                                           more, then the checkpoint rows take the new epochs

A run holds its leases as a whole: when they expire stands once, in its row of the run table; who loses one loses all.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import psycopg

from ledger.database import Connection, at_once, fetch_all, one, rows, run
from ledger.errors import Fenced, Misconfigured, Transient, translated
from ledger.key import LeaseKey

SECONDS = 30.0
#: The first number of our advisory locks ("feed" in ASCII); the second is the lease's id.
SPACE = 0x66656564


@dataclass(frozen=True)
class Lease:
    """Partitions that this run holds, or held: their epochs decide. All three lists are in the order of partitions."""

    key: LeaseKey
    run: int
    partitions: list[int]
    ids: list[int]
    epochs_of: list[int]
    previous_runs: Sequence[int] = ()
    """The runs that held them last."""
    alone: bool = True
    """Does it hold every partition that the topic had?"""

    @property
    def epochs(self) -> dict[str, list[int]]:
        """Partitions and their epochs, as statements take them."""
        return {"partitions": self.partitions, "epochs": self.epochs_of}

    @property
    def locks(self) -> dict[str, list[int]]:
        """Ids and their epochs, as statements take them."""
        return {"ids": self.ids, "epochs": self.epochs_of}

    def epoch_of(self, partition: int) -> int:
        return self.epochs_of[self.partitions.index(partition)]


@dataclass(frozen=True)
class LeaseState:
    """A lease as it stands in the ledger. The epoch of one that was never taken is 0."""

    epoch: int = 0
    is_free: bool = True


@dataclass(frozen=True)
class Leased:
    """A partition's lease before a claim. `is_free`: for the run that claims. `claims`: of the stage, so far."""

    partition: int
    id: int
    epoch: int
    run: int | None
    held: bool
    is_free: bool
    claims: int


Choice = Callable[[Collection[int], int], Collection[int]]
"""(free partitions, other runs that hold some) → those that this run takes; none: it leaves."""


def every(partitions: Collection[int]) -> Choice:
    """All of these, or none."""
    return lambda free, _: partitions if set(partitions) <= set(free) else ()


def share(behind: Sequence[int], pods: int) -> Choice:
    """A fair share of the partitions that have something to read. `pods`: how many runs are started at once."""

    def choose(free: Collection[int], others: int) -> Collection[int]:
        at_work = max(others + 1, pods)
        wanted = [partition for partition in behind if partition in free][: -(-len(behind) // at_work)]
        alone = at_work == 1 or not (wanted or others)
        return free if alone else wanted

    return choose


def take(
    connection: Connection,
    key: LeaseKey,
    partitions: Collection[int],
    *,
    run_id: int,
    seconds: float = SECONDS,
    choose: Choice | None = None,
) -> Lease | None:
    """Take leases of these partitions, all of them or those that `choose` names, and commit; None when none is ours.

    Each statement commits by itself: a client that freezes after any of them keeps no lock.
    """
    choose = choose or every(partitions)
    with translated(), at_once(connection):
        while True:
            leases = _leases(connection, key, partitions, run_id)
            free = {each.partition for each in leases if each.is_free}
            others = len({each.run for each in leases if not each.is_free})
            chosen = set(choose(free & set(partitions), others))
            if not chosen:
                run(connection, "lease.cap", seconds=seconds)
                return None
            wanted = [each for each in leases if each.partition in chosen]
            if taken := _take(connection, key, wanted, run_id, seconds):
                alone = {each.partition for each in leases} <= chosen
                held, ids, epochs = ([each[column] for each in taken] for column in range(3))
                return Lease(key, run_id, held, ids, epochs, _runs(wanted), alone)


def _leases(connection: Connection, key: LeaseKey, partitions: Collection[int], run_id: int) -> list[Leased]:
    leases = fetch_all(connection, Leased, "lease.leases", **vars(key), run=run_id)
    if set(partitions) <= {each.partition for each in leases}:
        return leases
    run(connection, "lease.ensure", **vars(key), partitions=list(partitions))
    return fetch_all(connection, Leased, "lease.leases", **vars(key), run=run_id)


def _take(
    connection: Connection, key: LeaseKey, wanted: Sequence[Leased], run_id: int, seconds: float
) -> list[tuple[int, int, int]]:
    """Take them; nothing where another claim came first."""
    ids, partitions = [each.id for each in wanted], [each.partition for each in wanted]
    before = _runs([each for each in wanted if each.held])
    claim = {"claims": wanted[0].claims, "ids": ids, "partitions": partitions, "before": before}
    return sorted(rows(connection, "lease.take", **vars(key), **claim, run=run_id, seconds=seconds))


def _runs(leases: Sequence[Leased]) -> list[int]:
    return sorted({each.run for each in leases if each.run is not None})


def exclude(connection: Connection, lease: Lease, *, patience: float = 10.0) -> None:
    """End every backend still inside a chunk of an earlier holder, then fence. Leaves the transaction open, locked.

    Raises Fenced when a later taker is already here, Misconfigured without the right to end a backend.
    """
    deadline = time.monotonic() + patience
    with translated():
        while not one(connection, "lease.lock", space=SPACE, ids=lease.ids)[0]:
            writers = rows(connection, "lease.writers", space=SPACE, ids=lease.ids)
            _check_still_held(connection, lease)  # after the list: so none of them is a later taker's
            for (pid,) in writers:
                end_backend(connection, pid)
            connection.rollback()
            if time.monotonic() > deadline:
                raise Transient(f"a backend that writes {lease.key.feed} did not end within {patience:.0f} s")
            time.sleep(0.02)
        _check_still_held(connection, lease)
        run(connection, "lease.fence", **lease.epochs, **vars(lease.key))
        run(connection, "lease.lost", runs=lease.previous_runs, by=lease.run)


def killed_in_a_row(connection: Connection, lease: Lease, most: int) -> int:
    """Count the runs of these partitions that were killed at their checkpoints, since a person last freed the feed.

    Exact from `most` on only: below it the journal, which may be long, is not read. Ends no transaction.
    """
    where = {**vars(lease.key), "partitions": list(lease.partitions)}
    with translated():
        killed: int = one(connection, "lease.killed", **where)[0]
        if killed < most:
            return killed
        since_freed: int = one(connection, "lease.killed_since_freed", **where)[0]
    return min(killed, since_freed)


def _check_still_held(connection: Connection, lease: Lease) -> None:
    if not one(connection, "lease.mine", **lease.locks)[0]:
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
    locked, mine = one(connection, "lease.guard", space=SPACE, **lease.locks)
    if not mine:
        raise Fenced(f"another run drains {lease.key} now; this one wrote nothing more")
    if not locked:  # a previous holder woke up and looks whether its last COMMIT got there
        exclude(connection, lease)


def renew(connection: Connection, lease: Lease, seconds: float = SECONDS) -> bool:
    """Hold it for `seconds` more; False when it is no longer ours. On an autocommit connection."""
    with translated():
        return run(connection, "lease.renew", run=lease.run, seconds=seconds) == 1


def release(connection: Connection, lease: Lease) -> None:
    """Free it, if it is still ours, and commit; what is open is rolled back."""
    with translated(), at_once(connection):
        run(connection, "lease.release", **lease.locks)


def holder(connection: Connection, key: LeaseKey) -> str:
    """Name the holders, in words."""
    with translated():
        holders = rows(connection, "lease.holders", **vars(key))
    if not holders:
        return "the lease is free"
    if len(holders) == 1:
        return f"{holders[0][0]} holds the lease for {holders[0][1]:.0f} s more"
    names = ", ".join(name for name, _ in holders)
    return f"{names} hold the leases for up to {max(seconds for _, seconds in holders):.0f} s more"


def at_work(connection: Connection, key: LeaseKey) -> bool:
    """Is a run inside a chunk of this drain now, as the database sees it?"""
    with translated():
        return bool(one(connection, "lease.at_work", space=SPACE, **vars(key))[0])


def cap(connection: Connection, seconds: float) -> None:
    """Let no lease last longer than that from now, wherever the database's clock was, and commit."""
    with translated(), at_once(connection):
        run(connection, "lease.cap", seconds=seconds)


def states(connection: Connection) -> dict[LeaseKey, dict[int, LeaseState]]:
    """Return every lease that was ever taken, by its partition."""
    found: dict[LeaseKey, dict[int, LeaseState]] = {}
    with translated():
        for feed, stage, partition, epoch, free in rows(connection, "lease.states"):
            found.setdefault(LeaseKey(feed, stage), {})[partition] = LeaseState(epoch, free)
    return found
