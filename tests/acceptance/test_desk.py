"""The desk reads every database at once: each expected base date with its state, and costs nobody anything."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import psycopg
import pytest

from bank import PACKAGES, Bank, Door, as_role
from catalog import find
from ledger import control
from ledger.database import connect
from ledger.rights import Roles
from operate.desk.desk import Desk, FeedDay, State
from operate.desk.read import Reader, read
from sweeps import DAY, RATES, Sweeps, at

if TYPE_CHECKING:
    from datetime import datetime

FEEDS = [find.load(name, PACKAGES) for name in ("fx", "bulletin", "latest")]
MONDAY = date(2026, 11, 2)


def desk(bank: Bank, now: datetime) -> Desk:
    return read(FEEDS, {**bank.environ, "DATABASE_URL": as_role(bank.url, Roles().reader)}, now)


def day(bank: Bank, now: datetime, feed: str = "fx") -> FeedDay:
    """Tonight's row of a feed."""
    (found,) = [each for each in desk(bank, now).days if each.feed == feed and each.base_date == DAY]
    return found


def test_desk__shows_a_feeds_night_from_its_order_to_its_arrival(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    assert day(bank, at(12)).why.code == "expected"
    assert day(bank, at(16, 6)).why.code == "not-ordered"
    door("pub", "--feed=fx", f"--base-date={DAY}")
    assert day(bank, at(16, 7)).why.code == "unanswered"
    assert day(bank, at(17, 27)).why.parameters["late_minutes"] == 27
    bank.respond("fx", RATES, DAY)
    door("sub", "--feed=fx")
    found = day(bank, at(17, 30))
    assert (found.state, found.loaded, found.seq, found.quarantined) == (State.ARRIVED, 2, 1, 0)
    assert found.arrived_at


def test_desk__an_outside_publishers_table_and_an_undated_feed(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    assert day(bank, at(17, 20), "bulletin").why.code == "no-request"
    bank.rows("INSERT INTO bulletin_rate VALUES (%s, 'USD', 1, 0, 0, 0, now(), 1, 0)", DAY)
    assert day(bank, at(17, 20), "bulletin").state is State.ARRIVED
    assert {each.why.code for each in desk(bank, at(17)).days if each.feed == "latest"} == {"not-watched"}


def test_desk__quarantine_holds_and_lag_stand_beside_the_feed(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    bank.respond("fx", [RATES[0], {**RATES[1], "rate": "N.A."}], DAY)
    assert door("sub", "--feed=fx").counts("loaded", "quarantined") == [1, 1]
    with connect(bank.url, "test") as connection:
        control.hold(connection, "fx", "kim", "partner down")
    sweeps(at(16), "fx", "bulletin", "latest")
    found = desk(bank, at(16))
    (state,) = [each for each in found.feeds if each.feed == "fx"]
    assert (state.quarantined, state.held_by, state.held_reason) == (1, "kim", "partner down")
    assert state.last_arrival_at
    assert state.oldest_quarantined_at
    tonight = day(bank, at(16))
    assert (tonight.why.code, tonight.quarantined, tonight.loaded) == ("arrived-quarantined", 1, 1)
    assert [(run.stage, run.status) for run in found.runs] == [("sub", "SUCCEEDED")]
    assert found.databases[0].sweep_why is None


def test_sweep__leaves_the_lag_that_it_saw(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    bank.respond("fx", RATES, DAY)
    with pytest.raises(Exception, match="Argo Server"):
        sweeps(at(16), "fx", "bulletin")
    lags = {each.feed: each.lag for each in desk(bank, at(16)).feeds}
    assert lags == {"fx": 2, "bulletin": 0, "latest": None}


def test_desk__an_old_day_stays_until_it_is_over(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    assert (day(bank, at(12, day=MONDAY)).state, day(bank, at(12, day=MONDAY)).why.code) == (State.ABSENT, "no-request")
    bank.respond("fx", RATES, DAY)
    door("sub", "--feed=fx")
    assert [each.base_date for each in desk(bank, at(12, day=MONDAY)).days if each.feed == "fx"] == [MONDAY]


def test_desk__what_was_due_before_anybody_watched_is_nobodys_fault(bank: Bank, sweeps: Sweeps) -> None:
    before = [each for each in desk(bank, at(9, 30)).days if each.feed == "fx"]
    assert [each.base_date for each in before] == [DAY]  # not Thursday, whose rows were due sixteen hours ago


def test_desk__changes_nothing_and_waits_for_nobody(bank: Bank, sweeps: Sweeps) -> None:
    with closing(psycopg.connect(bank.url)) as locking:
        locking.execute("LOCK TABLE feedfall.request IN EXCLUSIVE MODE; UPDATE feedfall.watched SET since = now()")
        assert day(bank, at(12)).state is State.EXPECTED


def test_reader__keeps_what_a_database_that_is_away_held_last(bank: Bank, sweeps: Sweeps) -> None:
    environ = dict(bank.environ)
    reader = Reader(FEEDS, environ)
    first = reader.read(at(12))
    bank.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'feedfall desk'")
    environ["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:9/none"
    later = reader.read(at(13))
    assert later.days == first.days
    assert (later.databases[0].read_at, bool(later.databases[0].failure)) == (at(12), True)
    environ["DATABASE_URL"] = bank.environ["DATABASE_URL"]
    assert reader.read(at(14)).databases[0].failure is None
    reader.close()


def test_reader__a_database_that_never_answered_makes_its_feeds_unknown(bank: Bank) -> None:
    away = {**bank.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
    found = read(FEEDS, away, at(12))
    assert [(each.feed, each.state) for each in found.days] == [(feed.name, State.UNKNOWN) for feed in FEEDS]
    assert found.databases[0].read_at is None


def test_reader__one_database_away_of_two_costs_only_its_own_feeds(bank: Bank, sweeps: Sweeps) -> None:
    elsewhere = replace(FEEDS[0], name="fx-stk", database="stk")
    environ = {**bank.environ, "DATABASE_URL_STK": "postgresql://nobody@127.0.0.1:9/none"}
    reader = Reader([*FEEDS, elsewhere], environ)
    found = reader.read(at(12))
    assert {each.feed: each.why.code for each in found.days if each.feed.startswith("fx")} == {
        "fx": "expected",
        "fx-stk": "database-away",
    }
    assert [(each.name, each.failure_code) for each in found.databases] == [("", None), ("stk", 75)]
    environ["DATABASE_URL_STK"] = bank.environ["DATABASE_URL"]
    back = {each.feed: each.why.code for each in reader.read(at(13)).days}
    assert back["fx-stk"] == "calendar-unknown"  # its home is the other database, and no service is set
    reader.close()


def test_desk__runs_at_work_are_those_with_a_lease_and_a_pub_that_has_just_begun(bank: Bank, sweeps: Sweeps) -> None:
    bank.rows(
        "INSERT INTO feedfall.run (feed, stage, uid, name, code, started_at, expires_at) VALUES"
        " ('fx', 'relay', 'a', 'alive', 14, now(), now() + interval '1 minute'),"
        " ('fx', 'relay', 'b', 'dead', 14, now(), now() - interval '1 minute'),"
        " ('bulletin', 'pub', 'c', 'ordering', 14, now(), NULL)"
    )
    bank.rows(
        "INSERT INTO feedfall.request (correlation_id, feed, base_date, seq, ordered, status, sent_at)"
        " SELECT gen_random_uuid(), f, %s, 1, true, 'sent', now() FROM unnest(ARRAY['fx', 'bulletin']) f",
        DAY,
    )
    assert day(bank, at(16, 7)).why.parameters["run"] == "alive"
    assert day(bank, at(16, 59), "bulletin").why.parameters["run"] == "ordering"
    bank.rows("UPDATE feedfall.run SET started_at = now() - interval '2 hours' WHERE name = 'ordering'")
    assert day(bank, at(16, 59), "bulletin").why.code == "unanswered"
