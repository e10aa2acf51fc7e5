"""The drain's promises, on real processes: whoever dies, freezes or comes second, each row is loaded once."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import NewPartitions

from bank import Bank, Door, ended, eventually

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

#: While somebody holds this lock, PostgreSQL stops in the middle of the COPY: at the row whose volume is STUCK.
GATE, STUCK = 4711, 500


def ticks(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"symbol": f"S{n}", "price": "1", "volume": n, "note": None} for n in range(first, first + count)]


@pytest.fixture
def stuck(bank: Bank) -> Iterator[psycopg.Connection]:
    """1,000 messages, of which one stops the COPY until this connection lets go."""
    bank.create("tick", partitions=1)
    bank.rows(
        f"""CREATE FUNCTION stick() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.volume = {STUCK} THEN PERFORM pg_advisory_xact_lock({GATE}); END IF; RETURN NEW; END $$"""
    )
    bank.rows("CREATE TRIGGER stick BEFORE INSERT ON tick FOR EACH ROW EXECUTE FUNCTION stick()")
    bank.respond("tick", ticks(1000))
    with psycopg.connect(bank.url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [GATE])
        yield connection


def let_go(connection: psycopg.Connection) -> None:
    connection.execute("SELECT pg_advisory_unlock_all()")


@contextmanager
def in_mid_copy(bank: Bank, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A sub that stands in the middle of a COPY, some chunks after its beginning."""
    pod = bank.start("sub", "--feed=tick", **environ)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE '%COPY%'"
    try:
        eventually(lambda: bank.value(waiting) == 1)
        yield pod
    finally:
        pod.kill()
        pod.communicate()


def assert_each_once(bank: Bank, count: int) -> None:
    assert bank.rows("SELECT count(*), count(DISTINCT volume) FROM tick") == [(count, count)]
    assert bank.broken("tick") == []


def test_killed__argos_retry_takes_over_at_once(bank: Bank, stuck: psycopg.Connection) -> None:
    with in_mid_copy(bank, WORKFLOW_UID="w1") as pod:
        pod.send_signal(signal.SIGKILL)
        pod.wait()
        let_go(stuck)
        done = bank.step("sub", "--feed=tick", WORKFLOW_UID="w1")
    assert (done.exit, done.status) == (0, "SUCCEEDED")
    assert 0 < int(done.words["loaded"]) < 1000
    assert_each_once(bank, 1000)
    assert bank.rows("SELECT status FROM feedfall.run ORDER BY id") == [("LOST",), ("SUCCEEDED",)]


def test_killed__its_backend_still_waiting_is_ended_by_the_taker(bank: Bank, stuck: psycopg.Connection) -> None:
    with in_mid_copy(bank, WORKFLOW_UID="w1") as pod:
        pod.send_signal(signal.SIGKILL)
        pod.wait()
        second = bank.start("sub", "--feed=tick", WORKFLOW_UID="w1")
        # The dead pod's backend waits inside its COPY; it must be gone although nobody has let go yet.
        waiting = "SELECT array_agg(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'"
        first_pid = bank.value(waiting)
        eventually(lambda: bank.value(waiting) not in (first_pid, None))
        let_go(stuck)
        out, err = second.communicate(timeout=30)
    assert ended(second.returncode, out, err).status == "SUCCEEDED"
    assert_each_once(bank, 1000)


def test_killed__another_workflow_waits_no_longer_than_the_lease(bank: Bank, stuck: psycopg.Connection) -> None:
    with in_mid_copy(bank, FEEDFALL_LEASE_SECONDS="1") as pod:
        pod.send_signal(signal.SIGKILL)
        pod.wait()
        let_go(stuck)
        assert bank.step("sub", "--feed=tick").status == "BUSY"
        time.sleep(1.0)
        assert bank.step("sub", "--feed=tick").status == "SUCCEEDED"
    assert_each_once(bank, 1000)


def test_frozen__the_successor_ends_its_backend_and_the_zombie_is_refused(
    bank: Bank, stuck: psycopg.Connection
) -> None:
    with in_mid_copy(bank, FEEDFALL_LEASE_SECONDS="1") as pod:
        os.kill(pod.pid, signal.SIGSTOP)
        time.sleep(1.1)
        let_go(stuck)
        assert bank.step("sub", "--feed=tick").status == "SUCCEEDED"
        assert_each_once(bank, 1000)
        os.kill(pod.pid, signal.SIGCONT)
        out, err = pod.communicate(timeout=30)
    zombie = ended(pod.returncode, out, err)
    assert (zombie.exit, zombie.status in ("FENCED", "FAILED")) == (75, True)
    assert_each_once(bank, 1000)


def test_terminated__finishes_its_chunk_releases_and_exits_143(bank: Bank, stuck: psycopg.Connection) -> None:
    with in_mid_copy(bank) as pod:
        pod.send_signal(signal.SIGTERM)
        let_go(stuck)
        out, err = pod.communicate(timeout=30)
    stopped = ended(pod.returncode, out, err)
    assert (stopped.exit, stopped.status) == (143, "STOPPED")
    assert 0 < int(stopped.words["loaded"]) < 1000
    assert bank.step("sub", "--feed=tick").status == "SUCCEEDED"
    assert_each_once(bank, 1000)


def test_held__in_mid_drain_nothing_commits_once_hold_has_returned(
    bank: Bank, door: Door, stuck: psycopg.Connection
) -> None:
    with in_mid_copy(bank) as pod:
        let_go(stuck)
        hold = (
            "UPDATE feedfall.feed_control SET held_at = now(), held_by = 'me', held_reason = 'test' WHERE feed = 'tick'"
        )
        bank.rows(hold)
        after_hold = bank.value("SELECT count(*) FROM tick")
        out, err = pod.communicate(timeout=30)
    assert ended(pod.returncode, out, err).status == "HELD"
    assert bank.value("SELECT count(*) FROM tick") == after_hold < 1000
    assert door("sub", "--feed=tick").status == "HELD"
    bank.rows("UPDATE feedfall.feed_control SET held_at = NULL, held_reason = NULL")
    assert door("sub", "--feed=tick").status == "SUCCEEDED"
    assert_each_once(bank, 1000)


def test_two_subs_at_once__one_works_the_other_is_busy(bank: Bank, stuck: psycopg.Connection) -> None:
    with in_mid_copy(bank) as pod:
        second = bank.step("sub", "--feed=tick")
        assert (second.exit, second.status, "holds the lease" in second.words["reason"]) == (0, "BUSY", True)
        let_go(stuck)
        out, err = pod.communicate(timeout=30)
    assert ended(pod.returncode, out, err).counts("loaded") == [1000]
    assert_each_once(bank, 1000)


def test_messages_that_come_meanwhile__are_read_by_the_last_look(bank: Bank, stuck: psycopg.Connection) -> None:
    with in_mid_copy(bank) as pod:
        bank.respond("tick", ticks(250, first=1000))  # beyond the ends that the run has fixed
        let_go(stuck)
        out, err = pod.communicate(timeout=30)
    assert ended(pod.returncode, out, err).counts("loaded", "lag") == [1250, 0]
    assert_each_once(bank, 1250)


def test_four_subs_at_once__every_row_once(bank: Bank) -> None:
    bank.create("tick", partitions=4)
    bank.respond("tick", ticks(3000))
    pods = [bank.start("sub", "--feed=tick") for _ in range(4)]
    runs = [ended(pod.wait(60), *pod.communicate()) for pod in pods]
    assert {run.exit for run in runs} == {0}
    assert sum(run.counts("loaded")[0] for run in runs if run.status == "SUCCEEDED") == 3000
    assert_each_once(bank, 3000)


def test_a_message_while_a_run_leaves__is_loaded_by_the_run_or_by_its_doorbell(bank: Bank) -> None:
    bank.create("tick", partitions=1)
    count = 0
    for delay in (0.05, 0.15, 0.2, 0.22, 0.24, 0.26, 0.28, 0.3, 0.33, 0.36):
        pod = bank.start("sub", "--feed=tick")
        time.sleep(delay)
        bank.respond("tick", ticks(1, first=count))
        bell = bank.start("sub", "--feed=tick")  # the doorbell that this message rings
        runs = [ended(each.wait(60), *each.communicate()) for each in (pod, bell)]
        count += 1
        # Promise: whoever found the lease taken was answered by its holder's last look.
        assert bank.value("SELECT count(*) FROM tick") == count, [run.words for run in runs]
    assert_each_once(bank, count)


def test_open_transaction__is_waited_for_and_then_counted_as_lag(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    producer = Producer({"bootstrap.servers": bank.kafka, "transactional.id": bank.prefix, "log_level": 0})
    producer.init_transactions(10)
    producer.begin_transaction()
    row = b'{"base_date": "2026-10-30", "currency": "USD", "rate": "1"}'
    producer.produce(bank.topic("fx"), row)
    producer.flush(10)
    pod = bank.start("sub", "--feed=fx")
    time.sleep(1.0)
    assert pod.poll() is None
    producer.commit_transaction(10)
    out, err = pod.communicate(timeout=30)
    assert ended(pod.returncode, out, err).counts("loaded", "lag") == [1, 0]
    assert bank.broken("fx") == []
    producer.begin_transaction()
    producer.produce(bank.topic("fx"), row)
    producer.flush(10)
    left = door("sub", "--feed=fx")
    assert (left.exit, left.status, left.words["lag"]) == (75, "OPEN_TXN", "1")
    producer.abort_transaction(10)
    assert door("sub", "--feed=fx").counts("read", "lag") == [0, 0]
    assert bank.broken("fx") == []


def test_retention_past_the_checkpoint__is_an_offset_gap_that_blocks(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    bank.respond("tick", ticks(10))
    door("sub", "--feed=tick")
    bank.respond("tick", ticks(10, first=10))
    [future] = bank.admin.delete_records([TopicPartition(bank.topic("tick"), 0, 15)]).values()
    future.result()
    gap = door("sub", "--feed=tick")
    assert (gap.exit, "offsets 10 to 15 are gone" in gap.words["reason"]) == (81, True)
    assert door("sub", "--feed=tick").status == "BLOCKED"


def test_topic_made_anew__is_an_offset_gap(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    bank.respond("tick", ticks(10))
    door("sub", "--feed=tick")
    bank.delete_topic(bank.topic("tick"))
    bank.create_topics({bank.topic("tick"): 1})
    bank.respond("tick", ticks(20))
    gap = door("sub", "--feed=tick")
    assert (gap.exit, "created anew" in gap.words["reason"]) == (81, True)


def test_partitions_added__start_at_their_beginning(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    bank.respond("tick", ticks(10))
    door("sub", "--feed=tick")
    [future] = bank.admin.create_partitions([NewPartitions(bank.topic("tick"), 3)]).values()
    future.result()
    eventually(lambda: len(bank.admin.list_topics(timeout=10).topics[bank.topic("tick")].partitions) == 3)
    fresh = Bank(bank.kafka, bank.url, bank.prefix, bank.roles)  # a producer that knows the new partitions
    for partition in range(3):
        fresh.send(
            bank.topic("tick"),
            b'{"symbol":"B","price":"1","volume":%d,"note":null}' % (100 + partition),
            partition=partition,
        )
    assert door("sub", "--feed=tick").counts("loaded") == [3]
    assert bank.broken("tick") == []


#: What a doubter breaks → what `verify` must say.
TAMPERING = {
    "a row in mid-chunk": ("DELETE FROM fx_rate WHERE currency = 'C07'", "of its rows in the table"),
    "a quarantine row": ("DELETE FROM feedfall.quarantine", "rows went to quarantine and 0 are there"),
    "a span": ("DELETE FROM feedfall.span WHERE id = (SELECT min(id) FROM feedfall.span)", "no span covers"),
    "a row from elsewhere": (
        (
            "INSERT INTO fx_rate SELECT base_date, 'ZZZ', rate, _source, _offset, _row, _at, _seq, _run "
            "FROM fx_rate LIMIT 1"
        ),
        "of its rows in the table",
    ),
    "a count": ("UPDATE feedfall.span SET loaded = loaded - 1", "have a fate"),
    "a record": ("UPDATE feedfall.span SET records = records - 1", "do not fill the span"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_verify__says_what_is_missing(bank: Bank, door: Door, what: str) -> None:
    bank.create("fx", partitions=1)
    rows = [{"base_date": "2026-10-30", "currency": f"C{n:02}", "rate": "1"} for n in range(20)]
    for row in rows:  # letters only, as the type wants
        row["currency"] = "A" + "".join(chr(65 + int(digit)) for digit in row["currency"][1:])
    bank.respond("fx", [*rows, {"base_date": "bad"}])
    door("sub", "--feed=fx")
    assert bank.broken("fx") == []
    statement, sentence = TAMPERING[what]
    bank.rows(statement.replace("C07", "AAH"))
    assert any(sentence in word for word in bank.broken("fx")), bank.broken("fx")
    said = door("verify", "--feed=fx")
    assert (said.exit, said.status) == (83, "BROKEN")


def test_verify__a_lost_message_booked_as_absent_is_found(bank: Bank, door: Door) -> None:
    """Of a transactional answer by its count, where nobody writes transactions by the absence itself."""
    bank.create("fx", partitions=1)
    bank.create("tick", partitions=1)
    bank.respond(
        "fx",
        [{"base_date": "2026-10-30", "currency": each, "rate": "1"} for each in ("USD", "JPY")],
        date(2026, 10, 30),
    )
    bank.respond("tick", ticks(5))
    door("sub", "--feed=fx")
    door("sub", "--feed=tick")
    bank.rows("UPDATE feedfall.span SET records = records - 1, absent = int8multirange(int8range(1, 2))")
    bank.rows("UPDATE feedfall.span SET rows_read = rows_read - 1, loaded = loaded - 1")
    bank.rows("DELETE FROM fx_rate WHERE _offset = 1")
    bank.rows("DELETE FROM tick WHERE _offset = 1")
    bank.rows("UPDATE feedfall.request SET settled = settled - 1, status = 'answered', complete_at = NULL")
    assert ["its 2 rows should have a fate and 1 have" in word for word in bank.broken("fx")] == [True]
    assert ["is recorded as absent" in word for word in bank.broken("tick")] == [True]
