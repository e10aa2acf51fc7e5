"""A feed that does not come: reported once, and closed when its rows arrive."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from bank import PACKAGES, Bank, Door
from business_day import calendar
from catalog import Envelope, Kind, find
from catalog.message import correlation
from ledger import control
from ledger.database import connect
from steps.run.exits import Misconfigured, Transient
from steps.watch.report import watch
from sweeps import DAY, RATES, SECRET, Sweeps, at, feedfall, journal

if TYPE_CHECKING:
    pass

BULLETIN = """<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<Cube><Cube time="2026-10-30"><Cube currency="USD" rate="1.1225"/></Cube></Cube></gesmes:Envelope>"""


def answer(bank: Bank, kind: Kind, reason: str = "") -> None:
    """A partner's `empty` or `refused`, as relay writes it."""
    said = Envelope(correlation("fx", DAY, 1), DAY, 1, kind, 0, reason)
    bank.send(bank.topic("fx"), b"{}", b"k", said.headers())


# -- once, and closed --


def test_sweep__reports_an_absent_feed_once_and_its_arrival_once(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    assert sweeps(at(16, 59))["absent"] == 0
    assert sweeps(at(17))["absent"] == 1
    assert sweeps.log == "ABSENT fx 2026-10-30, due 17:00 CET: no request sent, no response received\n"
    assert (sweeps(at(17, 1))["absent"], sweeps.log) == (0, "")
    bank.respond("fx", RATES, DAY)
    door("sub", "--feed=fx")
    assert (sweeps(at(17, 42))["arrived"], sweeps(at(17, 43))["arrived"]) == (1, 0)
    assert journal(bank) == [
        ("absent", "fx", "sweep", "2026-10-30", "no-request"),
        ("arrived", "fx", "sweep", "2026-10-30", "no-request"),
    ]
    assert bank.broken("fx") == []


def test_sweep__rows_that_are_there_in_time_are_not_worth_a_word(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    bank.respond("fx", RATES, DAY)
    door("sub", "--feed=fx")
    assert (sweeps(at(17))["absent"], sweeps.log, journal(bank)) == (0, "", [])


def test_sweep__makes_up_for_the_days_in_which_no_sweep_ran(sweeps: Sweeps) -> None:
    assert sweeps(at(12, day=date(2026, 11, 4)))["absent"] == 3  # Friday, Monday, Tuesday: the week-end expects nothing


def test_sweep__two_at_once_report_once(bank: Bank, sweeps: Sweeps) -> None:
    sweeps.told = {"FEEDFALL_WEBHOOK_URL": "http://127.0.0.1:9/", "FEEDFALL_WEBHOOK_SECRET": SECRET}
    together = threading.Barrier(4)

    def one(_: int) -> int:
        with sweeps.execution(at(17)) as execution:
            together.wait(20)
            return int(watch(execution, [find.load("fx", PACKAGES)])["absent"])

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, range(4))) == 1
    assert [verb for verb, *_ in journal(bank)] == ["absent"]
    assert bank.value("SELECT count(*) FROM feedfall.notice") == 1


def test_sweep__an_argo_that_is_away_hides_no_absence(bank: Bank, sweeps: Sweeps) -> None:
    bank.respond("fx", RATES, DAY)  # something to start, and nobody who starts it
    with pytest.raises(Transient, match="Argo Server"):
        sweeps(at(17))
    assert "ABSENT fx 2026-10-30" in sweeps.log


def test_sweep__a_feed_that_cannot_be_watched_keeps_no_other_from_it(bank: Bank, sweeps: Sweeps) -> None:
    bank.rows("DROP TABLE bulletin_rate")
    with pytest.raises(Misconfigured, match="bulletin_rate"):
        sweeps(at(17, 10), "bulletin", "fx")
    assert [line.split()[:2] for line in sweeps.log.splitlines()] == [["UNWATCHED", "bulletin:"], ["ABSENT", "fx"]]


# -- what was found instead --


def test_found__a_request_that_nobody_answers(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    door("pub", "--feed=fx", f"--base-date={DAY}")
    with pytest.raises(Transient):  # a relay is to be started: there is no Argo here
        sweeps(at(17))
    assert "and is not answered" in sweeps.log
    assert journal(bank)[0][-1] == "unanswered"


@pytest.mark.parametrize(
    ("kind", "found"),
    [(Kind.EMPTY, "empty"), (Kind.REFUSED, "refused")],
)
def test_found__an_answer_without_rows(bank: Bank, door: Door, sweeps: Sweeps, kind: Kind, found: str) -> None:
    answer(bank, kind, "come\nback RESULT tomorrow")
    door("sub", "--feed=fx")
    sweeps(at(17))
    assert "come back RESULT tomorrow" in sweeps.log  # one line, whatever a partner writes
    assert journal(bank)[0][-1] == found


def test_found__an_answer_of_which_a_part_is_missing(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    half = Envelope(correlation("fx", DAY, 1), DAY, 1, count=2)
    bank.send(bank.topic("fx"), json.dumps(RATES[0]).encode(), b"k", half.headers())
    door("sub", "--feed=fx")
    sweeps(at(17))
    assert "1 of 2 rows are loaded" in sweeps.log


def test_found__an_answer_that_is_all_in_quarantine(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    bank.respond("fx", [{**each, "rate": "N.A."} for each in RATES], DAY)
    door("sub", "--feed=fx")
    sweeps(at(17))
    assert "2 rows are in quarantine, and none is loaded" in sweeps.log


def test_found__a_hold_and_a_block(bank: Bank, sweeps: Sweeps) -> None:
    with connect(bank.url, "test") as connection:
        control.hold(connection, "fx", "kim", "late close")
    sweeps(at(17))
    assert "held by kim: late close; `feedfall free` lifts it; no request sent" in sweeps.log
    with connect(bank.url, "test") as connection:
        control.free(connection, "fx")
        control.block(connection, "fx", "sub", 65, "too many bad rows")
    sweeps(at(17, day=date(2026, 11, 2)))
    assert "ABSENT fx 2026-11-02, due 17:00 CET: sub ended with 65: too many bad rows" in sweeps.log


def test_found__a_lease_in_a_dead_runs_hands(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    half = Envelope(correlation("fx", DAY, 1), DAY, 1, count=2)
    bank.send(bank.topic("fx"), json.dumps(RATES[0]).encode(), b"k", half.headers())
    door("sub", "--feed=fx", WORKFLOW_NAME="fx-sub-dead")
    bank.rows("UPDATE feedfall.lease SET held = true")
    bank.rows("UPDATE feedfall.run SET expires_at = clock_timestamp() - interval '1 minute'")  # as a crash leaves it
    sweeps(at(17))
    assert "fx-sub-dead holds the lease of sub beyond its end" in sweeps.log


# -- outside publishers --


def test_outside__is_absent_until_its_rows_are_there(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    assert sweeps(at(17, 10), "bulletin")["absent"] == 1
    bank.send(bank.topic("bulletin"), b"<Cube time='2026-10-30'>", b"k")
    door("sub", "--feed=bulletin")
    assert sweeps(at(17, 11), "bulletin")["arrived"] == 0  # what cannot be read is no arrival
    bank.send(bank.topic("bulletin"), BULLETIN.encode(), b"k")
    door("sub", "--feed=bulletin")
    assert sweeps(at(17, 12), "bulletin")["arrived"] == 1


def test_outside__rows_without_a_correlation_are_seen_in_the_table(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    bank.respond("fx", RATES)  # no base date and no correlation id in any header
    door("sub", "--feed=fx")
    assert bank.value("SELECT count(*) FROM feedfall.request") == 0
    assert sweeps(at(17))["absent"] == 0


def test_outside__where_nobody_can_tell_nothing_is_said(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    late = at(18, day=date(2026, 11, 2))
    assert sweeps(late, "latest")["absent"] == 0
    bank.respond("latest", [{"symbol": "A", "base_date": "2026-10-30", "price": "1"}], DAY)
    door("sub", "--feed=latest")  # its answers say their base date: from now on it can be told
    assert sweeps(late, "latest")["absent"] == 3  # on its calendar each day is open; Friday is there


# -- a calendar that ends --


def test_calendar__that_ends_is_reported_once_a_day_and_stops_no_other_feed(bank: Bank, sweeps: Sweeps) -> None:
    _, last = calendar("TARGET").covers
    beyond = last + timedelta(days=1)
    bank.rows("UPDATE feedfall.watched SET since = %s", at(23, day=last))
    bank.rows("UPDATE feedfall.watched SET since = %s WHERE feed = 'latest'", at(1, day=beyond))
    bank.respond("latest", [{"symbol": "A", "base_date": "2026-10-30", "price": "1"}], DAY)
    with sweeps.execution(at(9)) as execution:
        execution.connection.execute(
            "INSERT INTO feedfall.request (correlation_id, feed, base_date, ordered, status, answered_at) "
            "VALUES (gen_random_uuid(), 'latest', '2020-01-01', false, 'answered', clock_timestamp())"
        )
        execution.connection.commit()
        execution.now = lambda: at(18, day=beyond)
        known = [find.load(name, PACKAGES) for name in ("fx", "bulletin", "latest")]
        assert [watch(execution, known)["absent"] for _ in range(2)] == [2, 0]
        execution.now = lambda: at(18, day=beyond + timedelta(days=1))
        assert watch(execution, known)["absent"] == 2
    reported = bank.rows("SELECT subject, base_date - %s, found FROM feedfall.absence ORDER BY 2, 1", last)
    assert reported == [
        ("calendar TARGET", 1, "uncovered"),
        ("latest", 1, "no-request"),
        ("calendar TARGET", 2, "uncovered"),
        ("latest", 2, "no-request"),
    ]
    assert f"to {last}" in bank.value("SELECT reason FROM feedfall.journal WHERE feed IS NULL LIMIT 1")


def test_calendar__that_was_extended_closes_its_report(bank: Bank, sweeps: Sweeps) -> None:
    bank.rows("INSERT INTO feedfall.absence VALUES ('calendar TARGET', %s, now(), 'uncovered', 'it ended')", DAY)
    sweeps(at(10))
    assert sweeps.log == "ARRIVED calendar TARGET 2026-10-30: calendar TARGET covers 2026-10-30 now\n"


# -- feedfall absent --


def test_absent__lists_what_is_open(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    assert feedfall(bank, "absent") == "Nothing that was due is absent.\n"
    sweeps(at(17))
    shown = feedfall(bank, "absent")
    assert all(word in shown for word in ("fx", "2026-10-30", "no-request", "No request was", "KST"))
    bank.respond("fx", RATES, DAY)
    door("sub", "--feed=fx")
    sweeps(at(17, 1))
    assert json.loads(feedfall(bank, "absent", "--json")) == []
