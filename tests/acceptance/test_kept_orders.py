"""Promise: an order that is given while a feed is held is kept, and sent once when the feed is free."""

from __future__ import annotations

import subprocess
import threading
from contextlib import closing
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from bank import Bank, Door, committed, eventually
from catalog import Envelope, find
from ledger import control
from ledger.database import connect
from steps.sweep import due
from sweeps import at, feedfall

if TYPE_CHECKING:
    from steps.sweep import Start
    from sweeps import Sweeps

DAY, BEFORE = date(2026, 10, 30), date(2026, 10, 29)
FX = find.load("fx", ("feeds",))
WHY = ("--reason=the partner moves house", "--by=kim")


def hold(bank: Bank, verb: str = "hold") -> str:
    return feedfall(bank, verb, "fx", *WHY)


def sent(bank: Bank) -> list[tuple[date | None, int | None]]:
    """(base date, seq) of each request in Kafka."""
    found = [Envelope.of(each.headers()) for each in committed(bank, bank.topic("fx", "request"))]
    return [(each.base_date, each.seq) for each in found]


def starts(sweeps: Sweeps, now: datetime) -> list[Start]:
    with sweeps.execution(now) as execution:
        return [each for each in due(execution, [FX]) if each.key.stage == "pub"]


def play(door: Door, start: Start) -> str:
    """What Argo would run."""
    return door("pub", "--feed=fx", *(f"--{name}={value}" for name, value in start.parameters.items())).status


@pytest.mark.parametrize("stopped", ["hold", "block"])
def test_kept__an_order_during_a_hold_or_a_block_is_recorded_and_said(bank: Bank, door: Door, stopped: str) -> None:
    """Even where Kafka has no such topic yet."""
    if stopped == "hold":
        hold(bank)
    else:
        bank.rows(
            "INSERT INTO feedfall.feed_control (feed, blocked_at, blocked_code, blocked_stage, blocked_reason)"
            " VALUES ('fx', now(), 78, 'sub', 'a column')"
        )
    status = {"hold": "HELD", "block": "BLOCKED"}[stopped]
    for _ in range(2):  # the same order again is one
        done = door("pub", "--feed=fx", f"--base-date={DAY}")
        assert (done.exit, done.status, done.counts("ordered", "already", "kept")) == (0, status, [0, 0, 1])
    assert done.words["reason"].endswith("`feedfall free` lifts it; 1 order is kept and is sent then")
    assert bank.rows("SELECT status, kept_at IS NULL, sent_at IS NULL FROM feedfall.request") == [("new", False, True)]


def test_kept__free_says_it_and_the_sweep_sends_each_once_in_order(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    hold(bank)
    door("pub", "--feed=fx", f"--base-date={DAY}")
    door("pub", "--feed=fx", "--from=2026-10-26", "--to=2026-10-30", "--seq=2")
    assert starts(sweeps, at(18)) == []  # held
    said = hold(bank, "free").splitlines()[-1]
    assert said == "fx is free. 6 orders were kept: the sweep sends them within a minute."
    [start] = starts(sweeps, at(18))
    assert (start.lag, start.what) == (6, "orders that were kept")
    assert play(door, start) == "SUCCEEDED"
    assert starts(sweeps, at(18, 1)) == []
    assert play(door, start) == "ALREADY_DONE"
    assert sorted(sent(bank)) == sorted([*((date(2026, 10, day), 2) for day in (26, 27, 28, 29, 30)), (DAY, 1)])
    assert [seq for day, seq in sent(bank) if day == DAY] == [
        1,
        2,
    ]  # of one date in one partition: as they were ordered
    assert bank.rows("SELECT DISTINCT status FROM feedfall.request") == [("sent",)]
    assert bank.broken("fx") == []


def test_kept__a_closed_day_is_still_skipped(bank: Bank, door: Door) -> None:
    hold(bank)
    assert door("pub", "--feed=fx", "--base-date=2026-10-31").status == "SKIPPED"
    assert bank.value("SELECT count(*) FROM feedfall.request") == 0


def test_kept__what_was_sent_before_the_hold_is_done(bank: Bank, door: Door) -> None:
    bank.create("fx")
    door("pub", "--feed=fx", f"--base-date={DAY}")
    hold(bank)
    assert door("pub", "--feed=fx", f"--base-date={DAY}").status == "ALREADY_DONE"


def test_kept__two_pubs_at_once_send_each_order_once(bank: Bank, door: Door) -> None:
    bank.create("fx")
    hold(bank)
    door("pub", "--feed=fx", "--from=2026-09-01", "--to=2026-10-30")
    hold(bank, "free")
    runs = [bank.start("pub", "--feed=fx", f"--base-date={DAY}") for _ in range(3)]
    assert [run.wait(60) for run in runs] == [0, 0, 0]
    _close(runs)
    assert len(sent(bank)) == len(set(sent(bank))) == 44


def _close(runs: list[subprocess.Popen[str]]) -> None:
    for run in runs:
        run.communicate()


def test_kept__a_free_between_the_look_and_the_record_loses_nothing(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    """Holds and frees race with orders: at the end every order is in Kafka once."""
    stop = threading.Event()

    def toggle() -> None:
        with closing(connect(bank.url, "toggle")) as connection:
            while not stop.is_set():
                control.hold(connection, "fx", "kim", "a race")
                connection.commit()
                control.free(connection, "fx")
                connection.commit()

    racing = threading.Thread(target=toggle)
    racing.start()
    days = [DAY - timedelta(days=each) for each in range(12)]
    try:
        for day in days:
            door("pub", "--feed=fx", f"--base-date={day}", "--policy=OrderAnyway")
    finally:
        stop.set()
        racing.join()
    for start in starts(sweeps, at(18)):
        play(door, start)
    assert sorted(sent(bank)) == sorted((day, 1) for day in days)


def test_unsent__a_pub_that_died_is_made_good_after_minutes_and_not_after_days(
    bank: Bank, door: Door, sweeps: Sweeps
) -> None:
    """Its line is in the ledger, and Kafka never had it."""
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    died = at(16)
    bank.rows("UPDATE feedfall.request SET status = 'new', sent_at = NULL, new_at = %s", died)
    assert starts(sweeps, died + timedelta(minutes=4)) == []  # it may still be at work
    assert starts(sweeps, died + timedelta(days=4)) == []  # nobody expects it any more: `absent` says so
    [start] = starts(sweeps, died + timedelta(minutes=6))
    assert start.what == "orders that were recorded and never sent"
    assert play(door, start) == "SUCCEEDED"
    assert starts(sweeps, died + timedelta(minutes=7)) == []


def test_unsent__is_not_sent_while_the_feed_is_held(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    bank.rows("UPDATE feedfall.request SET status = 'new', sent_at = NULL, new_at = %s", at(16))
    hold(bank)
    assert starts(sweeps, at(17)) == []
    assert hold(bank, "free").splitlines()[-1] == "fx is free."
    assert [each.lag for each in starts(sweeps, at(17))] == [1]


def test_kept__a_pub_killed_between_kafka_and_the_ledger_sends_again_and_relay_answers_once(
    bank: Bank, door: Door, sweeps: Sweeps
) -> None:
    """What is not marked as sent is sent: twice in Kafka at most, and one request of the ledger."""
    hold(bank)
    door("pub", "--feed=fx", f"--base-date={DAY}")
    hold(bank, "free")
    [start] = starts(sweeps, at(18))
    with closing(connect(bank.url, "in the way")) as other, other.transaction():
        other.execute("SELECT * FROM feedfall.request FOR UPDATE")
        run = bank.start("pub", "--feed=fx", f"--base-date={DAY}")
        eventually(lambda: bool(bank.value(WAITS)))
        run.kill()
        run.communicate()
    assert play(door, start) == "SUCCEEDED"
    assert sent(bank) == [(DAY, 1)]


WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
