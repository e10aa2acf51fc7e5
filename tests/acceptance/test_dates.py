"""A row's own date: open, closed, still to come, late or on no calendar. What waits is loaded when its day has come."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import business_day
from bank import PACKAGES, Bank, Door
from catalog import find
from ledger import control, lease, quarantine
from ledger.database import connect
from ledger.key import LeaseKey
from steps.release import release
from steps.run import settings
from steps.run.execution import Outcome, executing
from steps.run.status import Status
from steps.sub import sub
from steps.sweep import due

if TYPE_CHECKING:
    from collections.abc import Callable

    from catalog import Feed
    from steps.run.execution import Execution

FX = find.load("fx")
#: TARGET: a Friday, a Saturday, the Sunday, and the Monday after.
FRIDAY, SATURDAY, SUNDAY, MONDAY = "2026-10-30", "2026-10-31", "2026-11-01", "2026-11-02"
UNCOVERED = "1998-12-31"


def at(text: str) -> datetime:
    """A moment where the feeds live, in winter: one hour before UTC."""
    return datetime.fromisoformat(f"{text}+01:00")


def rate(day: str, currency: str = "USD", value: str = "1.1") -> dict[str, str]:
    return {"base_date": day, "currency": currency, "rate": value}


def run(bank: Bank, stage: Callable[[Execution, Feed], Outcome], feed: Feed, now: datetime) -> dict[str, Any]:
    """A stage as its door runs it, at another time; its RESULT line's words."""
    environment = settings.read(bank.environ)
    with executing(environment, LeaseKey(feed.name, stage.__name__), threading.Event()) as execution:
        execution.now = lambda: now
        outcome = execution.outcome = stage(execution, feed)
    return {"status": outcome.status, **outcome.counts}


def fates(found: dict[str, Any]) -> list[int]:
    return [found[name] for name in ("loaded", "quarantined", "deferred")]


@pytest.fixture
def fx(bank: Bank) -> Bank:
    bank.create("fx", partitions=2)
    return bank


# -- what sub does --


@pytest.mark.parametrize(
    ("closed", "day", "expected"),
    [
        ("load", FRIDAY, [1, 0, 0]),
        ("defer", FRIDAY, [1, 0, 0]),
        ("quarantine", FRIDAY, [1, 0, 0]),
        ("load", SATURDAY, [1, 0, 0]),
        ("defer", SATURDAY, [0, 0, 1]),
        ("quarantine", SATURDAY, [0, 1, 0]),
        ("load", MONDAY, [0, 0, 1]),  # still to come
        ("defer", MONDAY, [0, 0, 1]),
        ("quarantine", MONDAY, [0, 0, 1]),
        ("load", UNCOVERED, [1, 0, 0]),  # no calendar is needed
        ("defer", UNCOVERED, [0, 1, 0]),
        ("quarantine", UNCOVERED, [0, 1, 0]),
    ],
)
def test_sub__judges_the_rows_own_date(fx: Bank, closed: Any, day: str, expected: list[int]) -> None:  # noqa: ANN401 -- a literal
    """On that Saturday; the row beside it is loaded, whatever becomes of this one."""
    fx.respond("fx", [rate(day), rate("2026-10-29", "JPY")])
    done = run(fx, sub, replace(FX, closed=closed), at(f"{SATURDAY}T12:00"))
    assert fates(done) == [expected[0] + 1, *expected[1:]]
    assert fx.value("SELECT count(*) FROM fx_rate WHERE currency = 'JPY'") == 1
    assert done.get("calendar") == (None if closed == "load" else business_day.calendar("TARGET").version)
    assert fx.broken("fx") == []


def test_sub__says_why_and_until_when(fx: Bank) -> None:
    fx.respond("fx", [rate(SATURDAY, "USD"), rate(MONDAY, "JPY"), rate(UNCOVERED, "KRW")])
    run(fx, sub, replace(FX, closed="defer"), at(f"{SATURDAY}T12:00"))
    set_aside = fx.rows("SELECT fate, until::text, by_date, reason FROM feedfall.quarantine ORDER BY value")
    closed = f"TARGET is closed on base date {SATURDAY}: 토요일 (Saturday); open next on {MONDAY}"
    to_come = f"base date {MONDAY} is still to come in Europe/Brussels"
    assert set_aside[1:] == [("deferred", MONDAY, False, closed), ("deferred", MONDAY, False, to_come)]
    assert set_aside[0][:3] == ("quarantined", None, True)
    assert set_aside[0][3].startswith(f"base date {UNCOVERED}: TARGET covers 1999-01-01 to ")
    assert set_aside[0][3].endswith("; then redrive it with --calendar")


def test_sub__a_closed_day_that_is_over_is_not_waited_for(fx: Bank) -> None:
    fx.respond("fx", [rate(SATURDAY)])
    assert fates(run(fx, sub, replace(FX, closed="defer"), at(f"{MONDAY}T00:00"))) == [1, 0, 0]


def test_sub__today_is_the_feeds_own(fx: Bank) -> None:
    """Half past eleven at night in London: in Brussels it is the next day."""
    fx.respond("fx", [rate(MONDAY)])
    assert fates(run(fx, sub, FX, datetime(2026, 11, 1, 23, 30, tzinfo=UTC))) == [1, 0, 0]


@pytest.mark.parametrize("closed", ["defer", "quarantine"])
def test_budget__is_not_for_rows_that_are_set_aside_for_their_date(fx: Bank, closed: Any) -> None:  # noqa: ANN401 -- a literal
    """A response of a holiday, or of a year that the table lacks, is no changed contract; a bad row still counts."""
    feed = replace(FX, closed=closed, max_bad=2)
    days = [rate(day, f"AA{chr(65 + n)}") for n in range(20) for day in (SATURDAY, UNCOVERED)]
    for _ in range(2):
        fx.respond("fx", [*days, {"base_date": "?"}])
        done = run(fx, sub, feed, at(f"{SATURDAY}T12:00"))
        assert (done["status"], done["quarantined"] + done["deferred"]) == ("SUCCEEDED", 41)
    fx.respond("fx", [{"base_date": "?"}])
    with pytest.raises(Exception, match="more than 2 bad rows"):
        run(fx, sub, feed, at(f"{SATURDAY}T12:00"))
    assert fx.broken("fx") == []


def test_sub__an_answer_whose_rows_are_deferred_is_complete(fx: Bank) -> None:
    fx.respond("fx", [rate(MONDAY), rate(FRIDAY, "JPY")], at(FRIDAY).date())
    run(fx, sub, FX, at(f"{SATURDAY}T12:00"))
    assert fx.rows("SELECT status, settled FROM feedfall.request") == [("complete", 2)]
    assert fx.broken("fx") == []


# -- late --


def test_late__is_loaded_and_counted_by_the_messages_own_time(fx: Bank) -> None:
    """Due at 17:00 in Brussels."""
    times = {"USD": "16:59:59", "JPY": "17:00:00", "KRW": "17:00:01", "GBP": "23:00:00"}
    for number, (currency, time) in enumerate(times.items()):
        sent = int(at(f"{FRIDAY}T{time}").timestamp() * 1000)
        fx.send(fx.topic("fx"), json.dumps(rate(FRIDAY, currency)).encode(), timestamp=sent, partition=number % 2)
    done = run(fx, sub, FX, at(f"{FRIDAY}T23:30"))
    assert (done["loaded"], done["late"]) == (4, 2)
    assert sorted(fx.rows("SELECT late FROM feedfall.span")) == [(1,), (1,)]


def test_late__counts_good_rows_only_also_where_they_go_one_by_one(fx: Bank) -> None:
    fx.respond("fx", [rate(FRIDAY), {"base_date": FRIDAY}, rate("2999-01-01")])  # sent now: late
    done = run(fx, sub, FX, datetime.now(UTC))
    assert (fates(done), done["late"]) == ([1, 1, 1], 1)


def test_late__is_not_said_of_a_feed_without_a_base_date(bank: Bank, door: Door) -> None:
    bank.create("tick")
    bank.respond("tick", [{"symbol": "A", "price": "1", "volume": 1, "note": None}])
    assert "late" not in door("sub", "--feed=tick").words


@pytest.mark.parametrize(
    ("day", "loaded"),
    [("0000-01-01", 0), ("0001-01-01", 1), ("9999-12-31", 0)],  # on no calendar; the first; far to come
)
def test_sub__a_date_at_the_end_of_the_world_is_one_rows_matter(fx: Bank, day: str, loaded: int) -> None:
    fx.respond("fx", [rate(day), rate(FRIDAY, "JPY")])
    done = run(fx, sub, FX, at(f"{SATURDAY}T12:00"))
    assert (done["loaded"], done["quarantined"] + done["deferred"]) == (1 + loaded, 1 - loaded)
    assert fx.broken("fx") == []


def test_sub__each_row_of_an_outside_message_by_its_own_date(bank: Bank, door: Door) -> None:
    bank.create("holiday", partitions=1)
    rows = [{"base_date": day, "code": "A", "price": "1"} for day in (FRIDAY, SATURDAY, MONDAY, "bad")]
    bank.send(bank.topic("holiday"), json.dumps(rows).encode())
    feed = find.load("holiday", PACKAGES)
    assert fates(run(bank, sub, feed, at(f"{SATURDAY}T12:00"))) == [1, 1, 2]
    assert bank.rows("SELECT row, fate FROM feedfall.quarantine ORDER BY row") == [
        (1, "deferred"),
        (2, "deferred"),
        (3, "quarantined"),
    ]
    assert bank.broken("holiday") == []
    assert door("release", "--feed=holiday").counts("read", "loaded") == [2, 2]
    assert bank.rows("SELECT _row FROM holiday ORDER BY 1") == [(0,), (1,), (2,)]
    assert bank.broken("holiday") == []


# -- release --


@pytest.fixture
def deferred(fx: Bank) -> Bank:
    """Three rows of Monday, which came on Saturday."""
    fx.respond("fx", [rate(MONDAY, each) for each in ("USD", "JPY", "KRW")], at(MONDAY).date(), seq=3)
    run(fx, sub, FX, at(f"{SATURDAY}T12:00"))
    return fx


def test_release__loads_what_has_come_to_its_day_and_again_nothing(deferred: Bank, door: Door) -> None:
    done = door("release", "--feed=fx")
    assert (done.exit, done.counts("read", "loaded", "deferred")) == (0, [3, 3, 0])
    assert door("release", "--feed=fx").counts("read") == [0]
    assert deferred.rows("SELECT DISTINCT _seq FROM fx_rate") == [(3,)]
    origin = "SELECT source, \"offset\", 0, 'loaded' FROM feedfall.quarantine ORDER BY 1, 2"
    assert deferred.rows("SELECT _source, _offset, _row, 'loaded' FROM fx_rate ORDER BY 1, 2") == deferred.rows(origin)
    assert deferred.broken("fx") == []


def test_release__before_the_day_moves_nothing(deferred: Bank) -> None:
    assert run(deferred, release, FX, at(f"{SUNDAY}T23:59"))["read"] == 0
    assert run(deferred, release, FX, at(f"{MONDAY}T00:00"))["loaded"] == 3


def test_release__on_a_day_that_was_closed_meanwhile_defers_further(deferred: Bank) -> None:
    """Their day has come, but it has been closed: they wait for the next."""
    deferred.rows("UPDATE feedfall.quarantine SET until = %s", SATURDAY)
    done = run(deferred, release, FX, at(f"{SATURDAY}T12:00"))
    assert fates(done) == [0, 0, 3]
    assert deferred.rows("SELECT DISTINCT fate, until::text, settled_as FROM feedfall.quarantine") == [
        ("deferred", MONDAY, None)
    ]
    assert deferred.broken("fx") == []


def test_release__what_the_database_refuses_now_is_quarantined(deferred: Bank, door: Door) -> None:
    deferred.rows("ALTER TABLE fx_rate ADD CHECK (currency <> 'JPY')")
    assert fates({k: int(v) for k, v in door("release", "--feed=fx").words.items() if v.isdigit()}) == [2, 1, 0]
    [(fate, reason, until)] = deferred.rows(
        "SELECT fate, reason, until::text FROM feedfall.quarantine WHERE settled_as IS NULL"
    )
    assert (fate, "violates check constraint" in reason, until) == ("quarantined", True, MONDAY)
    assert door("release", "--feed=fx").counts("read") == [0]
    assert deferred.broken("fx") == []


def test_release__never_takes_the_place_of_a_newer_row(deferred: Bank, door: Door) -> None:
    """A correction of the same date came while the row was waiting."""
    deferred.respond("fx", [rate(MONDAY, "USD", "9")], at(MONDAY).date(), seq=4)
    run(deferred, sub, FX, at(f"{MONDAY}T12:00"))
    assert door("release", "--feed=fx").counts("loaded", "superseded") == [2, 1]
    assert deferred.value("SELECT rate::text FROM fx_rate WHERE currency = 'USD'") == "9.00000000"
    assert deferred.broken("fx") == []


@pytest.mark.parametrize(("act", "status"), [("hold", "HELD"), ("block", "BLOCKED")])
def test_release__waits_for_a_person(deferred: Bank, door: Door, act: str, status: str) -> None:
    connection = connect(deferred.url, "test")
    if act == "hold":
        control.hold(connection, "fx", "kim", "test")
    else:
        control.block(connection, "fx", "sub", 65, "test")
    connection.commit()
    assert door("release", "--feed=fx").status == status
    control.free(connection, "fx")
    connection.commit()
    connection.close()
    assert door("release", "--feed=fx").counts("loaded") == [3]


def test_release__that_fails_for_good_blocks_the_feed(deferred: Bank, door: Door) -> None:
    """Else the sweep would start it every minute."""
    deferred.rows("ALTER TABLE fx_rate DROP rate")
    failed = door("release", "--feed=fx")
    assert (failed.exit, "has no column rate" in failed.words["reason"]) == (78, True)
    assert door("release", "--feed=fx").status == "BLOCKED"


def test_due__says_where_rows_have_come_to_their_day(deferred: Bank) -> None:
    connection = connect(deferred.url, "test")
    assert quarantine.fetch_due(connection, {"fx": at(SUNDAY).date(), "tick": at(MONDAY).date()}) == {}
    due_now = quarantine.fetch_due(connection, {"fx": at(MONDAY).date()})
    assert (list(due_now), sum(due_now["fx"].values())) == (["fx"], 3)
    connection.close()


def test_sweep__starts_a_release_where_rows_are_due_and_nobody_is_there(deferred: Bank) -> None:
    environment = settings.read({**deferred.environ, "FEEDFALL_FEEDS": "feeds"})
    deferred.respond("fx", [rate(FRIDAY, "GBP")])
    with executing(environment, LeaseKey("-", "sweep"), threading.Event()) as execution:
        execution.outcome = Outcome(Status.SUCCEEDED)

        def found(now: datetime) -> list[tuple[str, int]]:
            execution.now = lambda: now
            return [(start.key.stage, start.lag) for start in due(execution, [FX])]

        assert found(at(f"{SUNDAY}T12:00")) == [("sub", 1)]
        assert found(at(f"{MONDAY}T12:00")) == [("sub", 1), ("release", 3)]
        taken = lease.take(execution.connection, LeaseKey("fx", "sub"), range(2), run_id=execution.run)
        assert taken
        assert found(at(f"{MONDAY}T12:00")) == []
        lease.release(execution.connection, taken)
        deferred.rows("UPDATE feedfall.feed_control SET held_at = now(), held_by = 'kim', held_reason = 'test'")
        assert found(at(f"{MONDAY}T12:00")) == []
