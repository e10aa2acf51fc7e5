"""Several runs share a topic: who takes which partition, and what happens when one dies, wakes or comes late."""

from __future__ import annotations

import json
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import psycopg
import pytest
from confluent_kafka.admin import NewPartitions

from bank import PACKAGES, Bank, Door, ended, eventually
from catalog import find
from ledger import control, lease, run
from ledger.database import connect
from ledger.key import LeaseKey
from quarantine_command import command
from steps.drain import drain
from steps.run import settings
from steps.run.execution import Outcome, executing
from steps.run.status import Status
from steps.sub import Sub
from steps.sweep import due

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from bank import Ended

#: While a session holds this lock, PostgreSQL stops at each row that has this price.
GATE, STUCK = 4712, 999
KEY = LeaseKey("shared", "sub")
SHARED = find.load("shared", PACKAGES)


def send(bank: Bank, partition: int, prices: list[int], feed: str = "shared") -> None:
    """A row a price, each of another symbol."""
    for number, price in enumerate(prices):
        row = {"symbol": f"P{partition}{feed[0]}{number}", "base_date": "2026-10-30", "price": str(price)}
        bank.producer.produce(bank.topic(feed), json.dumps(row).encode(), partition=partition)
    bank.producer.flush(10)


def filled(bank: Bank, partitions: int, rows: int = 100, stuck: int = 0) -> Bank:
    """So many rows in each partition; the first row of the first `stuck` ones stops whoever loads it."""
    bank.create("shared", partitions=partitions)
    bank.rows(
        f"""CREATE FUNCTION stick() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.price = {STUCK} THEN PERFORM pg_advisory_xact_lock_shared({GATE}); END IF; RETURN NEW; END $$;
            CREATE TRIGGER stick BEFORE INSERT ON shared FOR EACH ROW EXECUTE FUNCTION stick()"""
    )
    for partition in range(partitions):
        send(bank, partition, [STUCK if partition < stuck else 2] + [1] * (rows - 1))
    return bank


@contextmanager
def shut(bank: Bank) -> Iterator[psycopg.Connection]:
    """Whoever comes to a stuck row waits until the block ends, or this connection lets go."""
    with psycopg.connect(bank.url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [GATE])
        yield connection


def waiting(bank: Bank) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
    return int(bank.value(query))


class Pods:
    """Stages as processes of their own; whichever is left at the end is ended."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self.all: list[subprocess.Popen[str]] = []

    def start(self, uid: str, index: int | None = None, **environ: str) -> subprocess.Popen[str]:
        number = {} if index is None else {"FEEDFALL_INDEX": str(index)}
        self.all.append(self._bank.start("sub", "--feed=shared", WORKFLOW_UID=uid, **number, **environ))
        return self.all[-1]

    def results(self) -> list[Ended]:
        printed = [pod.communicate(timeout=60) for pod in self.all]
        return [ended(pod.returncode, *words) for pod, words in zip(self.all, printed, strict=True)]


@pytest.fixture
def pods(bank: Bank) -> Iterator[Pods]:
    started = Pods(bank)
    yield started
    for pod in started.all:
        pod.kill()
        pod.communicate()


def claims(bank: Bank) -> dict[str, list[int]]:
    """Run's uid → the partitions that it has claimed, of runs that have."""
    query = "SELECT uid, partitions FROM feedfall.run WHERE stage = 'sub' AND partitions IS NOT NULL ORDER BY id"
    return dict(bank.rows(query))


def assert_each_once(bank: Bank, rows: int, feed: str = "shared") -> None:
    """Each offset has one fate, each row is there once, and the ledger adds up."""
    assert bank.value(f"SELECT count(*) FROM {feed}") == rows
    spans = "SELECT sum(p.to_offset - p.from_offset), sum(p.loaded) FROM feedfall.span p"
    assert bank.rows(f"{spans} JOIN feedfall.source s ON s.id = p.source WHERE s.stage = 'sub'") == [(rows, rows)]
    assert bank.broken(feed) == []


@pytest.mark.parametrize(("partitions", "each"), [(2, 1), (4, 2)])
def test_parallel__two_runs_at_once_share_fairly(bank: Bank, pods: Pods, partitions: int, each: int) -> None:
    filled(bank, partitions, stuck=partitions)
    with shut(bank):
        pods.start("w", 0)
        eventually(lambda: waiting(bank) == 1)
        pods.start("w", 1)
        eventually(lambda: waiting(bank) == 2)
        shares = claims(bank)
        assert [len(share) for share in shares.values()] == [each, each]
        assert sorted(chain(*shares.values())) == list(range(partitions))
    assert [done.status for done in pods.results()] == ["SUCCEEDED", "SUCCEEDED"]
    assert_each_once(bank, partitions * 100)


def test_parallel__one_run_alone_reads_all_shares_one_after_the_other(bank: Bank, door: Door) -> None:
    filled(bank, 4)
    done = door("sub", "--feed=shared")
    assert (done.status, *done.counts("loaded", "lag")) == ("SUCCEEDED", 400, 0)
    assert list(claims(bank).values()) == [[0, 1, 2, 3]]
    assert_each_once(bank, 400)


def test_parallel__of_a_killed_run_a_successor_takes_what_it_held(bank: Bank, pods: Pods) -> None:
    """Killed while it held two of four partitions, beside a sibling; all of it is loaded once."""
    filled(bank, 4, stuck=4)
    quick = {"FEEDFALL_LEASE_SECONDS": "1"}
    with shut(bank):
        dead = pods.start("dead", **quick)
        eventually(lambda: waiting(bank) == 1)
        pods.start("sibling", **quick)
        eventually(lambda: waiting(bank) == 2)
        dead.kill()
        dead.communicate()
        expired = "SELECT expires_at < clock_timestamp() FROM feedfall.run WHERE uid = 'dead'"
        eventually(lambda: bank.value(expired) is True)
        pods.all.remove(dead)
        pods.start("next", **quick)
        eventually(lambda: claims(bank).get("next") is not None)
        assert claims(bank) == {"dead": [0, 1], "sibling": [2, 3], "next": [0, 1]}
    assert [done.status for done in pods.results()] == ["SUCCEEDED", "SUCCEEDED"]
    assert bank.value("SELECT status FROM feedfall.run WHERE uid = 'dead'") == "LOST"
    assert_each_once(bank, 400)


def test_parallel__more_runs_than_partitions_leave_busy(bank: Bank, door: Door, pods: Pods) -> None:
    filled(bank, 2, stuck=2)
    with shut(bank):
        pods.start("w", 0)
        pods.start("w", 1)
        eventually(lambda: waiting(bank) == 2)
        third = door("sub", "--feed=shared", WORKFLOW_UID="w", FEEDFALL_INDEX="2")
        assert (third.status, third.exit) == ("BUSY", 0)
        assert "hold the leases for up to" in third.words["reason"]
    pods.results()
    assert_each_once(bank, 200)


def test_parallel__the_last_one_out_reads_what_came_for_others(bank: Bank, door: Door, pods: Pods) -> None:
    """Promise: nobody leaves while a partition is free and has something to read."""
    filled(bank, 2, stuck=1)
    with shut(bank):
        pods.start("first")
        eventually(lambda: waiting(bank) == 1)
        done = door("sub", "--feed=shared", WORKFLOW_UID="second")
        assert (done.status, *done.counts("loaded")) == ("SUCCEEDED", 100)
        send(bank, 1, [3] * 10)
    [first] = pods.results()
    assert (first.status, *first.counts("read", "lag")) == ("SUCCEEDED", 110, 0)
    assert claims(bank) == {"first": [0, 1], "second": [1]}
    assert bank.broken("shared") == []


def test_parallel__a_partition_is_added_between_two_runs(bank: Bank, door: Door) -> None:
    filled(bank, 2)
    assert door("sub", "--feed=shared").counts("loaded") == [200]
    [added] = bank.admin.create_partitions([NewPartitions(bank.topic("shared"), 3)]).values()
    added.result()
    eventually(lambda: len(bank.admin.list_topics(bank.topic("shared")).topics[bank.topic("shared")].partitions) == 3)
    bank = Bank(bank.kafka, bank.url, bank.prefix, bank.roles)  # a producer that knows the new partition
    send(bank, 2, [5] * 7)
    assert door("sub", "--feed=shared").counts("loaded", "lag") == [7, 0]
    assert_each_once(bank, 207)


def test_parallel__more_pods_than_before_need_nothing_else(bank: Bank, door: Door) -> None:
    """One pod yesterday, four today, two tomorrow: the checkpoints belong to the partitions."""
    filled(bank, 4, rows=20)
    for pods in (1, 4, 2):
        feed = replace(SHARED, parallel=pods)
        environment = settings.read({**bank.environ, "DATABASE_URL": bank.pod_url})
        with executing(environment, KEY, threading.Event()) as execution:
            execution.outcome = drain.drain(execution, feed, Sub(feed, bank.prefix))
        assert execution.outcome.status == "SUCCEEDED"
        assert bank.value("SELECT sum(next_offset - first_offset) FROM feedfall.source") == 4 * 20
    assert_each_once(bank, 80)


@contextmanager
def held(bank: Bank, *partitions: int) -> Iterator[None]:
    """Somebody else's run has these partitions."""
    with closing(connect(bank.url, "other")) as connection:
        number = run.start(connection, KEY, "other", "other")
        taken = lease.take(connection, KEY, partitions, run_id=number)
        assert taken
        yield
        lease.release(connection, taken)


def test_sweep__starts_one_run_for_what_is_free_and_waits(bank: Bank) -> None:
    filled(bank, 3, rows=10)
    environment = settings.read({**bank.environ, "DATABASE_URL": bank.pod_url})
    with executing(environment, LeaseKey("-", "sweep"), threading.Event()) as execution:
        execution.outcome = Outcome(Status.SUCCEEDED)
        assert [(start.key, start.lag) for start in due(execution, [SHARED])] == [(KEY, 30)]
        with held(bank, 0, 1):
            [start] = due(execution, [SHARED])
            assert start.lag == 10
        with held(bank, 0, 1, 2):
            assert due(execution, [SHARED]) == []
        [again] = due(execution, [SHARED])
        assert again.name != start.name  # the partitions' epochs are higher: another start, also within five minutes


def test_redrive__needs_only_the_partitions_of_its_entries(bank: Bank, door: Door) -> None:
    filled(bank, 2, rows=3)
    bank.rows("ALTER TABLE shared ADD CONSTRAINT tight CHECK (price < 5)")
    send(bank, 0, [7], "shared")
    assert door("sub", "--feed=shared").counts("loaded", "quarantined") == [6, 1]
    bank.rows("ALTER TABLE shared DROP CONSTRAINT tight")
    words = ("redrive", "shared", "0@3", "--reason=repaired", "--by=lee")
    with held(bank, 0):
        assert command(bank, *words).returncode == 77
    with held(bank, 1):
        assert command(bank, *words).returncode == 0
    assert (bank.value("SELECT max(price) FROM shared"), bank.broken("shared")) == (7, [])


def hold(bank: Bank) -> None:
    with closing(connect(bank.url, "kim")) as connection:
        control.hold(connection, "shared", "kim", "x")
        connection.commit()


def test_hold__in_mid_way_stops_all(bank: Bank, pods: Pods) -> None:
    filled(bank, 4, stuck=4)
    with shut(bank):
        pods.start("w", 0)
        pods.start("w", 1)
        eventually(lambda: waiting(bank) == 2)
        holding = threading.Thread(target=hold, args=[bank])
        holding.start()
        eventually(lambda: waiting(bank) == 3)
    holding.join()
    before = bank.value("SELECT sum(next_offset) FROM feedfall.source")
    assert [done.status for done in pods.results()] == ["HELD", "HELD"]
    assert bank.value("SELECT sum(next_offset) FROM feedfall.source") == before
    assert bank.broken("shared") == []
