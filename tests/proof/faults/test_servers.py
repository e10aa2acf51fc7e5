"""Faults that take their time: silence, restarts, a late wire, a transaction left open, retention in mid-drain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition

from bank import Bank, Door, ended, eventually
from faults.acts import asleep, assert_each_once, rate, slow, survives, ticks, transactional

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults.wire import Wired

#: What is done to a wire → how a run may end that meets it: 0 where it gets through, 75 where it does not.
FAULTS: dict[str, tuple[Callable[[Wired], None], set[int]]] = {
    "Kafka: 50 ms late": (lambda wire: setattr(wire.kafka, "late", 0.05), {0}),
    "Kafka: hangs up on everybody": (lambda wire: setattr(wire.kafka, "refusing", True), {75}),
    "Kafka: accepts and says nothing": (lambda wire: wire.kafka.silence(), {75}),
    "database: 20 ms late": (lambda wire: setattr(wire.database, "late", 0.02), {0}),
    "database: hangs up on everybody": (lambda wire: setattr(wire.database, "refusing", True), {75}),
    "database: accepts and says nothing": (lambda wire: wire.database.silence(), {75}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_wire__a_fault_ends_as_designed(wire: Wired, waiting: Bank, door: Door, fault: str) -> None:
    survives(wire, waiting, door, *FAULTS[fault])


def test_database__that_falls_silent_in_mid_chunk_holds_up_its_pod_and_nobody_else(wire: Wired, waiting: Bank) -> None:
    """The kernel acknowledges, so no time-out of TCP ends it: the lease does, and the next run goes on."""
    slow(waiting, "= 1000", 1)
    pod = waiting.start("sub", "--feed=tick", FEEDFALL_LEASE_SECONDS="2")
    try:
        eventually(lambda: asleep(waiting), 15)
        wire.database.silence()
        past = {"DATABASE_URL": wire.direct(waiting.prefix.rstrip("."))}
        eventually(lambda: waiting.step("sub", "--feed=tick", **past).status == "SUCCEEDED", 60)
        assert pod.poll() is None
        wire.heal()
        out, err = pod.communicate(timeout=60)
        assert ended(pod.returncode, out, err).exit == 75
    finally:
        pod.kill()
        pod.communicate()
    assert_each_once(waiting)


@pytest.mark.parametrize("server", ["kafka", "database"])
def test_restart__of_a_server_in_mid_drain_is_an_outage(wire: Wired, waiting: Bank, server: str) -> None:
    slow(waiting, "% 100 = 0", 0.2)
    pod = waiting.start("sub", "--feed=tick", WORKFLOW_UID="w1")
    eventually(lambda: waiting.value("SELECT count(*) FROM tick") > 0, 15)
    getattr(wire, f"stop_{server}")()
    getattr(wire, f"start_{server}")()
    out, err = pod.communicate(timeout=120)
    assert ended(pod.returncode, out, err).exit in (0, 75)
    assert waiting.step("sub", "--feed=tick", WORKFLOW_UID="w1").status == "SUCCEEDED"
    assert_each_once(waiting)


def test_log__a_transaction_over_three_partitions_left_open_is_lag_and_then_rows(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=3)
    bank.send(bank.topic("fx"), rate("USD"), partition=0)
    producer = transactional(bank)
    producer.begin_transaction()
    for partition, currency in enumerate(("JPY", "KRW", "GBP")):
        producer.produce(bank.topic("fx"), rate(currency), partition=partition)
    producer.flush(10)
    bank.send(bank.topic("fx"), rate("CHF"), partition=0)  # behind the open transaction
    left = door("sub", "--feed=fx")
    assert (left.exit, left.status, left.counts("loaded", "lag")) == (75, "OPEN_TXN", [1, 4])
    producer.commit_transaction(10)
    assert door("sub", "--feed=fx").counts("loaded", "lag") == [4, 0]
    assert bank.broken("fx") == []


def test_log__retention_in_mid_drain_is_a_gap_and_never_a_jump(bank: Bank) -> None:
    bank.create("tick", partitions=1)
    slow(bank, "= 50", 2)
    bank.respond("tick", [{**row, "note": "x" * 200} for row in ticks(60_000)])
    pod = bank.start("sub", "--feed=tick")
    eventually(lambda: asleep(bank), 15)
    [future] = bank.admin.delete_records([TopicPartition(bank.topic("tick"), 0, 59_990)]).values()
    future.result()
    out, err = pod.communicate(timeout=120)
    assert ended(pod.returncode, out, err).exit == 81
    rows = bank.value("SELECT count(*) FROM tick")
    assert rows == bank.value("SELECT max(volume) + 1 FROM tick") < 60_000
    assert bank.broken("tick") == []
