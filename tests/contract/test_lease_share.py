"""One run, several partitions: it takes a fair share of them, and loses all or none."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from bank import Bank
from ledger import lease, run
from ledger.database import connect
from ledger.errors import Fenced
from ledger.key import LeaseKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database import Connection
    from ledger.lease import Lease

KEY = LeaseKey("shared", "sub")


@pytest.fixture
def database(bank: Bank) -> Iterator[Connection]:
    with closing(connect(bank.url, "test")) as connection:
        yield connection


def take(connection: Connection, holder: str, behind: list[int], pods: int = 1, seconds: float = 30) -> Lease | None:
    number = run.start(connection, KEY, holder, holder)
    choose = lease.share(behind, pods)
    return lease.take(connection, KEY, range(4), run_id=number, seconds=seconds, choose=choose)


def taken(connection: Connection, holder: str, behind: list[int], pods: int = 1, seconds: float = 30) -> Lease:
    found = take(connection, holder, behind, pods, seconds)
    assert found
    return found


def test_zombie__of_one_partition_is_refused_for_all_of_them(database: Connection) -> None:
    """Its successor has taken one partition of four; the whole chunk is refused, and no lease is kept alive."""
    old = taken(database, "old", [], seconds=0.01)
    time.sleep(0.02)
    new = taken(database, "new", [2, 3], pods=2)
    assert (old.partitions, new.partitions) == ([0, 1, 2, 3], [2])
    with pytest.raises(Fenced, match="another run drains shared sub now"):
        lease.guard(database, old)
    database.rollback()
    assert not lease.renew(database, old)
    assert taken(database, "third", [0, 1, 3]).partitions == [0, 1]


def test_retry__takes_its_own_leases_and_not_its_siblings(database: Connection) -> None:
    first, second = taken(database, "w/0", [0, 1, 2, 3], pods=2), taken(database, "w/1", [0, 1, 2, 3], pods=2)
    assert (first.partitions, second.partitions) == ([0, 1], [2, 3])
    again = taken(database, "w/0", [0, 1, 2, 3], pods=2)
    assert (again.partitions, again.epochs_of) == ([0, 1], [2, 2])
    lease.guard(database, second)
    database.rollback()
    assert (lease.renew(database, first), lease.renew(database, second)) == (False, True)


def test_share__of_many_at_once_each_partition_has_one(bank: Bank) -> None:
    found: list[Lease | None] = []

    def try_it(name: str) -> None:
        with closing(connect(bank.url, name)) as connection:
            found.append(take(connection, name, [0, 1, 2, 3], pods=3))

    threads = [threading.Thread(target=try_it, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = sorted(partition for each in found if each for partition in each.partitions)
    assert (len(found), held) == (8, [0, 1, 2, 3])


def test_release__is_of_this_claim_alone(database: Connection) -> None:
    """A run that gave back one partition and holds another does not hold the first again."""
    first = taken(database, "one", [0], pods=2)
    lease.release(database, first)
    second = lease.take(database, KEY, [1], run_id=first.run)
    assert second
    assert taken(database, "two", [0], pods=2).partitions == [0]
    lease.guard(database, second)
    database.rollback()


@pytest.mark.parametrize(
    ("free", "others", "behind", "pods", "share"),
    [
        ([0, 1, 2, 3], 0, [1], 1, [0, 1, 2, 3]),  # alone: everything, as it is looked at as a whole
        ([0, 1, 2, 3], 0, [], 2, [0, 1, 2, 3]),  # nothing to share
        ([0, 1, 2, 3], 0, [0, 1, 2], 2, [0, 1]),
        ([2, 3], 1, [0, 1, 2, 3], 1, [2, 3]),
        ([1, 2, 3], 1, [0, 1, 2, 3], 4, [1]),
        ([3], 1, [0, 1], 1, []),  # what is free has nothing to read
        ([], 2, [0, 1], 2, []),
    ],
)
def test_share__is_what_there_is_to_read_by_the_runs_at_work(
    free: list[int], others: int, behind: list[int], pods: int, share: list[int]
) -> None:
    assert list(lease.share(behind, pods)(free, others)) == share
