"""A replay that cannot be: of what was never recorded, of what Kafka has lost, while another runs or a person holds."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from confluent_kafka import TopicPartition
from typer.testing import CliRunner

from bank import Bank
from cli.__main__ import app
from ledger import lease
from ledger.database import connect
from ledger.key import LeaseKey
from replay_command import WHY, refused, replay, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What is asked for → why it cannot be. {topic} is the feed's response topic, recorded from 0 to 5.
IMPOSSIBLE = {
    "--offsets={topic}/0:0-6": "only what was recorded can be replayed, and recorded are 0 to 5",
    "--offsets={topic}/7:0-1": "[7] was never read",
    "--offsets=gold.response/0:0-1": "the feed's responses are on {topic}, not on gold.response",
    "--offsets={topic}/0:4-2": "ends before it begins",
    "--offsets=0-2": "is not TOPIC/PARTITION:FROM-TO, such as fx.response/0:100-250",
    "--from=2026-10-30": "give --from and --to together",
    "--from=2026-10-30 --to=2026-10-29": "--to 2026-10-29 is before --from 2026-10-30",
    "--from=30.10.2026 --to=2026-10-30": "is not a date: write YYYY-MM-DD, YYYYMMDD or YYMMDD",
    "": "give --from and --to together, or --offsets",
}


@pytest.mark.parametrize("words", IMPOSSIBLE)
def test_replay__what_cannot_be_is_refused_in_words(two_days: Bank, words: str) -> None:
    topic = two_days.topic("fx")
    assert IMPOSSIBLE[words].format(topic=topic) in refused(two_days, "fx", *words.format(topic=topic).split())


def test_replay__what_retention_took_is_named_and_what_is_left(two_days: Bank) -> None:
    topic = two_days.topic("fx")
    [future] = two_days.admin.delete_records([TopicPartition(topic, 0, 2)]).values()
    future.result()
    words = refused(two_days, "fx", whole(two_days, 5))
    assert f"{topic}[0]: offsets 0 to 1 are no longer in Kafka (retention)" in words
    assert f"what is left: --offsets {topic}/0:2-5" in words
    assert "nothing of the range is left" in refused(two_days, "fx", whole(two_days, 1))
    two_days.rows("DELETE FROM fx_rate")
    found = replay(two_days, "fx", "--from=2026-10-29", "--to=2026-10-30")
    assert (found["gone"], found["loaded"], found["missing"]) == (2, 4, 2)


def test_replay__beyond_the_end_of_the_topic_is_said_at_once(two_days: Bank) -> None:
    """As after a topic has lost its end: the checkpoint is where the topic ended before."""
    two_days.rows("UPDATE feedfall.source SET next_offset = 9")
    two_days.rows("UPDATE feedfall.span SET to_offset = 9, absent = '{[6,9)}' WHERE to_offset = 6")
    assert "[0] ends at 6, before the checkpoint: it has lost its end" in refused(two_days, "fx", whole(two_days, 8))
    found = replay(two_days, "fx", "--from=2026-10-29", "--to=2026-10-30")
    assert (found["gone"], found["duplicate"]) == (3, 6)


@contextmanager
def held_by(bank: Bank, who: str) -> Iterator[None]:
    connection = connect(bank.url, who)
    taken = lease.take(connection, LeaseKey("fx", "sub"), range(2), run_id=1, seconds=30)
    assert taken
    yield
    lease.release(connection, taken)
    connection.close()


def test_replay__is_busy_while_a_sub_drains(two_days: Bank) -> None:
    with held_by(two_days, "a sub"):
        assert replay(two_days, "fx", whole(two_days, 5), code=77)["status"] == "BUSY"
    assert replay(two_days, "fx", whole(two_days, 5))["status"] == "SUCCEEDED"


def test_replay__a_held_feed_is_left_alone(two_days: Bank) -> None:
    CliRunner().invoke(app, ["hold", "fx", "--reason=audit", "--by=lee"], env=two_days.environ)
    held = replay(two_days, "fx", whole(two_days, 5), code=77)
    assert (held["status"], "audit" in held["reason"]) == ("HELD", True)
    done = CliRunner().invoke(app, ["replay", "fx", *WHY, whole(two_days, 5)], env=two_days.environ)
    assert (done.exit_code, "HELD: " in done.stdout) == (77, True), done.exception


def test_replay__held_in_the_middle_of_it_puts_nothing_back(two_days: Bank) -> None:
    """The promise of `hold`: when it has returned, nothing commits any more."""
    two_days.rows("DELETE FROM fx_rate")
    two_days.rows(
        """CREATE FUNCTION stick() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$"""
    )
    two_days.rows("CREATE TRIGGER stick BEFORE INSERT ON fx_rate FOR EACH ROW EXECUTE FUNCTION stick()")
    with psycopg.connect(two_days.url, autocommit=True) as gate:
        gate.execute("SELECT pg_advisory_lock(4711)")
        pod = replaying(two_days)
        deadline = time.monotonic() + 20
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
        while two_days.value(waiting) == 0:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        CliRunner().invoke(app, ["hold", "fx", "--reason=audit", "--by=lee"], env=two_days.environ)
        gate.execute("SELECT pg_advisory_unlock_all()")
        done = pod()
    assert (done.returncode, "HELD: held while it ran" in done.stdout) == (77, True), (done.stdout, done.stderr)
    assert two_days.value("SELECT count(*) FROM fx_rate") == 0


def replaying(bank: Bank) -> Callable[[], subprocess.CompletedProcess[str]]:
    """The command as a process of its own, not waited for."""
    command = [sys.executable, "-m", "cli", "replay", "fx", *WHY, whole(bank, 5)]
    process = subprocess.Popen(
        command, env=bank.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

    def end() -> subprocess.CompletedProcess[str]:
        out, err = process.communicate(timeout=30)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    return end
