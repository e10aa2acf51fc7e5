"""Leases and fences, asked of a real PostgreSQL."""

from __future__ import annotations

import re
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from bank import Bank
from ledger import lease, run
from ledger.database import connect
from ledger.errors import Fenced
from ledger.key import LeaseKey

if TYPE_CHECKING:
    from ledger.database import Connection
    from ledger.lease import Lease


def take(connection: Connection, holder: str, feed: str = "fx", seconds: float = 30.0) -> Lease | None:
    number = run.start(connection, LeaseKey(feed, "sub"), holder, holder)
    return lease.take(connection, LeaseKey(feed, "sub"), [0], run_id=number, seconds=seconds)


def held(connection: Connection, holder: str, seconds: float = 30.0) -> Lease:
    taken = take(connection, holder, seconds=seconds)
    assert taken
    return taken


# -- the lease --


def test_lease__one_has_it_and_the_other_learns_who(database: Connection) -> None:
    held(database, "one")
    assert take(database, "two") is None
    assert re.fullmatch("one holds the lease for (29|30) s more", lease.holder(database, LeaseKey("fx", "sub")))


def test_lease__of_another_feed_stage_or_partition_is_another(database: Connection) -> None:
    held(database, "one")
    number = run.start(database, LeaseKey("fx", "sub"), "two", "two")
    for key, partition in ((LeaseKey("tick", "sub"), 0), (LeaseKey("fx", "relay"), 0), (LeaseKey("fx", "sub"), 1)):
        assert lease.take(database, key, [partition], run_id=number)


def test_lease__released_is_free_at_once(database: Connection) -> None:
    lease.release(database, held(database, "one"))
    assert lease.holder(database, LeaseKey("fx", "sub")) == "the lease is free"
    assert held(database, "two").epochs_of == [2]


def test_lease__expires_by_itself(database: Connection) -> None:
    held(database, "one", seconds=0.2)
    assert take(database, "two") is None
    time.sleep(0.25)
    assert held(database, "two").epochs_of == [2]


def test_lease__renewed_lives_longer(database: Connection) -> None:
    mine = held(database, "one", seconds=0.2)
    assert lease.renew(database, mine, seconds=30)
    database.commit()
    time.sleep(0.25)
    assert take(database, "two") is None


def test_lease__lost_is_neither_renewed_nor_released(database: Connection) -> None:
    old = held(database, "one", seconds=0.01)
    time.sleep(0.02)
    held(database, "two")
    assert not lease.renew(database, old)
    lease.release(database, old)
    assert take(database, "three") is None


def test_lease__released_is_not_renewed_by_a_late_heartbeat(database: Connection) -> None:
    mine = held(database, "one")
    lease.release(database, mine)
    assert not lease.renew(database, mine)


def test_lease__the_same_workflow_takes_it_again_under_a_higher_epoch(database: Connection) -> None:
    """Argo's retry: the same uid, another pod."""
    first, second = held(database, "one"), held(database, "one")
    assert (first.epochs_of, second.epochs_of) == ([1], [2])
    assert not lease.renew(database, first)


def test_lease__of_many_at_once_one_gets_it(bank: Bank) -> None:
    taken: list[Lease | None] = []

    def try_it(name: str) -> None:
        with closing(connect(bank.url, name)) as connection:
            taken.append(take(connection, name))

    threads = [threading.Thread(target=try_it, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), len([each for each in taken if each])) == (8, 1)


# -- the fence --


def test_guard__lets_the_holder_in_and_nobody_before_it(database: Connection) -> None:
    mine = held(database, "one")
    lease.guard(database, mine)
    with pytest.raises(Fenced, match="another run drains fx sub now"):
        lease.guard(database, replace(mine, epochs_of=[mine.epoch_of(0) - 1]))


def test_guard__is_not_kept_out_by_a_run_before_it_that_woke_up(bank: Bank, database: Connection) -> None:
    """A frozen run looks whether its last COMMIT got there; its successor must not take itself for fenced."""
    old = held(database, "old", seconds=0.01)
    time.sleep(0.02)
    mine = held(database, "new")
    with closing(connect(bank.url, "zombie")) as zombie:
        zombie.execute("SELECT pg_advisory_xact_lock(%s, %s)", [lease.SPACE, old.ids[0]])
        lease.guard(database, mine)
        with pytest.raises(psycopg.OperationalError):
            zombie.commit()


def test_exclude__by_one_who_was_overtaken_ends_nobody(bank: Bank, database: Connection) -> None:
    """A zombie that looks up its last COMMIT finds its successor at work."""
    old = held(database, "old", seconds=0.01)
    time.sleep(0.02)
    mine = held(database, "new")
    lease.guard(database, mine)
    with closing(connect(bank.url, "zombie")) as zombie, pytest.raises(Fenced):
        lease.exclude(zombie, old)
    database.commit()


def test_exclude__ends_a_backend_in_mid_copy(bank: Bank, database: Connection) -> None:
    """A pod that froze inside its chunk: no time-out of the database would ever end it."""
    old = held(database, "old", seconds=0.01)
    frozen = connect(bank.url, "old")
    lease.guard(frozen, old)
    time.sleep(0.02)
    copying = frozen.cursor().copy("COPY feedfall.journal (who, verb, reason) FROM STDIN")
    copy = copying.__enter__()
    copy.write(b"ghost\twrites\t1\n")
    started = time.monotonic()
    lease.exclude(database, held(database, "new"))
    database.commit()
    assert time.monotonic() - started < 5
    with pytest.raises(psycopg.OperationalError, match="terminating connection"):
        copying.__exit__(None, None, None)
    frozen.close()
    assert bank.value("SELECT count(*) FROM feedfall.journal WHERE who = 'ghost'") == 0


def test_exclude__is_itself_fenced_by_a_later_taker(bank: Bank, database: Connection) -> None:
    mine = held(database, "one")
    with closing(connect(bank.url, "two")) as other:
        held(other, "one")
    with pytest.raises(Fenced, match="the lease of fx sub went to another run"):
        lease.exclude(database, mine)


def set_back_the_clock(database: Connection) -> None:
    """The lease's times are of before, when it was an hour later."""
    database.execute("UPDATE feedfall.lease SET taken_at = taken_at + interval '1 hour'")
    database.execute("UPDATE feedfall.run SET expires_at = expires_at + interval '1 hour'")
    database.commit()


def test_lease__of_a_dead_holder_lasts_one_lease_though_the_clock_was_set_back(database: Connection) -> None:
    """Promise: BUSY lasts no longer than a lease by the holder's last word."""
    held(database, "dead", seconds=0.5)
    set_back_the_clock(database)
    assert take(database, "next", seconds=0.5) is None
    time.sleep(0.5)
    assert take(database, "next", seconds=0.5)


def test_lease__of_a_live_holder_is_not_taken_though_the_clock_was_set_back(database: Connection) -> None:
    lived = held(database, "live", seconds=1)
    set_back_the_clock(database)
    assert take(database, "next", seconds=1) is None
    assert lease.renew(database, lived, 1)
    time.sleep(0.7)
    assert lease.renew(database, lived, 1)
    time.sleep(0.5)
    assert take(database, "next", seconds=1) is None


def test_cap__leaves_a_lease_alone_that_ends_in_time(database: Connection) -> None:
    held(database, "one", seconds=20)
    expires = "SELECT expires_at FROM feedfall.run"
    before = database.execute(expires).fetchall()
    lease.cap(database, 20)
    assert database.execute(expires).fetchall() == before
    set_back_the_clock(database)
    lease.cap(database, 20)
    assert before < database.execute(expires).fetchall() < [(before[0][0] + timedelta(seconds=30),)]
