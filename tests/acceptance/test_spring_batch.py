"""Eight cases in which Spring Batch's KafkaItemReader lost, doubled or never ended: the same ones, here.

The cases were measured there with Spring Batch 5.2.2 and Kafka 3.9.1; the table stands in `docs/evidence.md`.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition

from bank import Bank, Door, ended

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def tick(bank: Bank) -> str:
    """A topic of one partition; sub commits a hundred rows at a time."""
    bank.create("tick", partitions=1)
    return bank.topic("tick")


def send(bank: Bank, *numbers: int) -> None:
    bank.respond("tick", [{"symbol": "A", "price": "1", "volume": n, "note": None} for n in numbers])


@contextmanager
def failing_at(bank: Bank, number: int) -> Iterator[None]:
    """The writer fails, as a disk does, at this row."""
    bank.rows(
        f"""CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.volume = {number} THEN RAISE 'no' USING ERRCODE = '58030'; END IF; RETURN NEW; END $$"""
    )
    bank.rows("CREATE TRIGGER fail BEFORE INSERT ON tick FOR EACH ROW EXECUTE FUNCTION fail()")
    yield
    bank.rows("DROP FUNCTION fail CASCADE")


def assert_each_once(bank: Bank, count: int) -> None:
    assert bank.rows("SELECT volume FROM tick ORDER BY volume") == [(n,) for n in range(count)]
    assert bank.broken("tick") == []


def test_e1__the_next_days_run_goes_on_where_the_failed_one_committed(bank: Bank, door: Door, tick: str) -> None:
    """There: 490 of 1,000 lost, for the group's offset ran ahead of the rows."""
    send(bank, *range(1000))
    with failing_at(bank, 500):
        assert door("sub", "--feed=tick", WORKFLOW_UID="monday").exit == 75
    committed = bank.value("SELECT count(*) FROM tick")
    assert 0 < committed < 1000
    assert door("sub", "--feed=tick", WORKFLOW_UID="tuesday").counts("loaded") == [1000 - committed]
    assert_each_once(bank, 1000)


def test_e2__a_restart_of_the_same_run_goes_on_as_well(bank: Bank, door: Door, tick: str) -> None:
    send(bank, *range(1000))
    with failing_at(bank, 500):
        assert door("sub", "--feed=tick", WORKFLOW_UID="monday").exit == 75
    committed = bank.value("SELECT count(*) FROM tick")
    assert door("sub", "--feed=tick", WORKFLOW_UID="monday").counts("loaded") == [1000 - committed]
    assert_each_once(bank, 1000)


def test_e3__a_run_that_fails_before_its_first_commit_loses_not_its_first_message(
    bank: Bank, door: Door, tick: str
) -> None:
    """There: message 500 lost. "Start at 500" and "500 was read" are the same word; a checkpoint is the next offset."""
    send(bank, *range(500))
    door("sub", "--feed=tick")
    send(bank, *range(500, 1000))
    with failing_at(bank, 500):
        assert door("sub", "--feed=tick", WORKFLOW_UID="again").exit == 75
    assert door("sub", "--feed=tick", WORKFLOW_UID="again").counts("loaded") == [500]
    assert_each_once(bank, 1000)


def test_e4__two_daily_runs_read_each_message_once(bank: Bank, door: Door, tick: str) -> None:
    """There: the topic from its beginning, every day."""
    send(bank, *range(100))
    runs = [door("sub", "--feed=tick", WORKFLOW_UID=day).counts("read") for day in ("monday", "tuesday")]
    assert runs == [[100], [0]]
    assert_each_once(bank, 100)


def test_e5__offset_0_that_was_committed_is_not_written_again(bank: Bank, door: Door, tick: str) -> None:
    """There: 0 means both "nothing was read" and "0 was read"."""
    send(bank, 0)
    door("sub", "--feed=tick")
    send(bank, 1)
    with failing_at(bank, 1):
        assert door("sub", "--feed=tick", WORKFLOW_UID="again").exit == 75
    assert door("sub", "--feed=tick", WORKFLOW_UID="again").counts("loaded") == [1]
    assert_each_once(bank, 2)


def test_e6__what_is_done_is_not_done_again_and_says_so(bank: Bank, door: Door, tick: str) -> None:
    """There: an exception. A scheduler that orders twice is told that it is done, and goes on."""
    bank.create("fx")
    orders = [door("pub", "--feed=fx", "--base-date=2026-10-30") for _ in range(2)]
    assert [(order.exit, order.status) for order in orders] == [(0, "SUCCEEDED"), (0, "ALREADY_DONE")]
    send(bank, 0)
    assert [door("sub", "--feed=tick", WORKFLOW_UID="w1").counts("loaded") for _ in range(2)] == [[1], [0]]
    assert_each_once(bank, 1)


def test_e7__a_topic_that_is_never_quiet_lets_a_run_end(bank: Bank, tick: str) -> None:
    """There: the step never ends, and what it read waits for a chunk to fill."""
    quiet, sent = threading.Event(), 50

    def talk() -> None:
        nonlocal sent
        while not quiet.wait(0.5):
            send(bank, sent)
            sent += 1

    send(bank, *range(50))
    talker = threading.Thread(target=talk)
    talker.start()
    try:
        pod = bank.start("sub", "--feed=tick")
        out, err = pod.communicate(timeout=30)
        assert talker.is_alive()
        assert ended(pod.returncode, out, err).status == "SUCCEEDED"
        assert bank.value("SELECT count(*) FROM tick") >= 50
    finally:
        quiet.set()
        talker.join()
    assert bank.step("sub", "--feed=tick").status == "SUCCEEDED"
    assert_each_once(bank, sent)


def test_e8__what_retention_left_is_loaded_and_what_it_ate_is_said(bank: Bank, door: Door, tick: str) -> None:
    """There: COMPLETED with 0 of 500. The first run of a feed begins where the log does; any later one knows better."""
    send(bank, *range(1000))
    forget(bank, tick, 500)
    assert door("sub", "--feed=tick").counts("loaded", "lag") == [500, 0]
    send(bank, *range(1000, 1500))
    forget(bank, tick, 1250)
    gap = door("sub", "--feed=tick")
    assert (gap.exit, "offsets 1000 to 1250 are gone (retention)" in gap.words["reason"]) == (81, True)
    assert bank.value("SELECT count(*) FROM tick") == 500
    assert bank.broken("tick") == []


def forget(bank: Bank, topic: str, before: int) -> None:
    """Retention."""
    deadline = time.monotonic() + 10
    [future] = bank.admin.delete_records([TopicPartition(topic, 0, before)]).values()
    assert future.result(deadline - time.monotonic()).low_watermark == before
