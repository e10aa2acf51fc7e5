"""The drain's promises, on real processes: whichever run dies, freezes or comes second, each row is loaded once."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from typer.testing import CliRunner

from bank import Bank, Door, ended, eventually
from cli.__main__ import app

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

#: While a session holds this lock, PostgreSQL stops in the middle of the COPY: at the row whose volume is STUCK.
GATE, STUCK = 4711, 500


def ticks(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"symbol": f"S{n}", "price": "1", "volume": n, "note": None} for n in range(first, first + count)]


@pytest.fixture
def stuck(bank: Bank) -> Iterator[psycopg.Connection]:
    """1,000 messages, of which one stops the COPY until this connection lets go."""
    bank.create("tick", partitions=1)
    stick_at(bank, STUCK)
    bank.rows("CREATE TRIGGER stick BEFORE INSERT ON tick FOR EACH ROW EXECUTE FUNCTION stick()")
    bank.respond("tick", ticks(1000))
    with psycopg.connect(bank.url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [GATE])
        yield connection


def stick_at(bank: Bank, volume: int) -> None:
    bank.rows(
        f"""CREATE OR REPLACE FUNCTION stick() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.volume = {volume} THEN PERFORM pg_advisory_xact_lock({GATE}); END IF; RETURN NEW; END $$"""
    )


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
        # The dead pod's backend waits inside its COPY; it must be gone although no session has let go yet.
        waiting = "SELECT array_agg(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'"
        first_pid = bank.value(waiting)
        eventually(lambda: bank.value(waiting) not in (first_pid, None))
        let_go(stuck)
        out, err = second.communicate(timeout=30)
    assert ended(second.returncode, out, err).status == "SUCCEEDED"
    assert_each_once(bank, 1000)


def test_killed__another_workflow_waits_no_longer_than_the_lease(bank: Bank, stuck: psycopg.Connection) -> None:
    with in_mid_copy(bank, FEEDFALL_LEASE_SECONDS="4") as pod:  # long enough for another pod to start on a busy machine
        pod.send_signal(signal.SIGKILL)
        pod.wait()
        let_go(stuck)
        assert bank.step("sub", "--feed=tick").status == "BUSY"
        time.sleep(4.0)
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
    hold = "UPDATE feedfall.feed_control SET held_at = now(), held_by = 'me', held_reason = 'test' WHERE feed = 'tick'"
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%SET held_at%'"
    with in_mid_copy(bank) as pod, ThreadPoolExecutor(1) as pool:
        held = pool.submit(bank.rows, hold)  # it waits for the chunk in flight
        eventually(lambda: bank.value(waiting) == 1)
        let_go(stuck)
        held.result(timeout=30)
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


#: Seconds after the run's start: about as long as it takes. `make proof` goes through all of them.
DELAYS = (0.05, 0.15, 0.2, 0.22, 0.24, 0.26, 0.28, 0.3, 0.33, 0.36)


def test_a_message_while_a_run_leaves__is_loaded_by_the_run_or_by_its_doorbell(bank: Bank) -> None:
    bank.create("tick", partitions=1)
    count = 0
    for delay in DELAYS if os.environ.get("STORMS") else DELAYS[::3]:
        pod = bank.start("sub", "--feed=tick")
        time.sleep(delay)
        bank.respond("tick", ticks(1, first=count))
        bell = bank.start("sub", "--feed=tick")  # the doorbell that this message rings
        runs = [ended(each.wait(60), *each.communicate()) for each in (pod, bell)]
        count += 1
        # Promise: a run that found the lease taken is answered by its holder's last look.
        assert bank.value("SELECT count(*) FROM tick") == count, [run.words for run in runs]
    assert_each_once(bank, count)


def kill_in_mid_copy(bank: Bank, times: int) -> None:
    """Pods of one Workflow, each killed in mid-COPY, and its session with it."""
    for _ in range(times):
        with in_mid_copy(bank, WORKFLOW_UID="w1") as pod:
            pod.send_signal(signal.SIGKILL)
            pod.wait()
        bank.rows("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE wait_event = 'advisory'")


def test_killed_three_times_at_one_checkpoint__the_feed_is_blocked(
    bank: Bank, stuck: psycopg.Connection, door: Door
) -> None:
    stick_at(bank, 0)  # the very first row: the checkpoint never moves
    kill_in_mid_copy(bank, 3)
    done = door("sub", "--feed=tick", WORKFLOW_UID="w1")
    assert (done.exit, door("sub", "--feed=tick").status) == (78, "BLOCKED")
    assert "3 runs in a row were killed before they moved this checkpoint" in done.words["reason"]
    assert f"{bank.topic('tick')}[0]@0" in done.words["reason"]
    freed = CliRunner().invoke(app, ["free", "tick", "--reason=more memory", "--by=kim"], env=bank.environ)
    assert freed.exit_code == 0
    kill_in_mid_copy(bank, 1)  # once more is not three times again
    let_go(stuck)
    assert door("sub", "--feed=tick", WORKFLOW_UID="w1").counts("loaded") == [1000]
    assert_each_once(bank, 1000)


def test_killed_three_times__but_the_checkpoint_moved_between(
    bank: Bank, stuck: psycopg.Connection, door: Door
) -> None:
    """Two kills, a chunk that is loaded, two kills: nothing is wrong with any offset."""
    stick_at(bank, 0)
    kill_in_mid_copy(bank, 2)
    stick_at(bank, STUCK)
    kill_in_mid_copy(bank, 2)  # the first of them loads some chunks
    let_go(stuck)
    assert door("sub", "--feed=tick", WORKFLOW_UID="w1").status == "SUCCEEDED"
    assert_each_once(bank, 1000)


def test_topic_made_anew_under_a_run__nothing_of_the_new_one_is_taken_for_the_old(
    bank: Bank, stuck: psycopg.Connection, door: Door
) -> None:
    """A run stands still in mid-drain while the topic is deleted and created: the new offsets mean other messages."""
    with in_mid_copy(bank) as pod:
        bank.delete_topic(bank.topic("tick"))
        bank.create_topics({bank.topic("tick"): 1})
        bank = Bank(bank.kafka, bank.url, bank.prefix, bank.roles)  # a producer that knows the new topic
        bank.respond("tick", ticks(1000, first=1000))
        let_go(stuck)
        out, err = pod.communicate(timeout=60)
    done = ended(pod.returncode, out, err)
    assert (done.exit, "deleted and created anew" in done.words["reason"]) == (81, True)
    assert bank.value("SELECT count(*) FROM tick WHERE volume >= 1000") == 0
    words = ["skip-gap", "tick", "--reason=made anew", "--by=kim", "--yes", "--break-glass", "--ticket=7"]
    assert CliRunner().invoke(app, words, env=bank.environ).exit_code == 0
    assert door("sub", "--feed=tick").counts("loaded") == [1000]
    assert bank.rows("SELECT count(*), count(DISTINCT volume) FROM tick WHERE volume >= 1000") == [(1000, 1000)]
    assert bank.broken("tick") == []
