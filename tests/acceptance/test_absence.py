"""A feed that does not come: reported once, told outside until it is heard, and closed when its rows arrive."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import stamina
from typer.testing import CliRunner

from bank import PACKAGES, Bank, Door
from business_day import calendar
from catalog import Envelope, Kind, find
from catalog.message import correlation
from cli.__main__ import app
from ledger import control
from ledger.database import connect
from ledger.key import LeaseKey
from steps.run.execution import executing
from steps.run.exits import Misconfigured, Transient
from steps.run.settings import read
from steps.sweep import sweep
from steps.watch.report import watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steps.run.execution import Execution

DAY = date(2026, 10, 30)
BRUSSELS = ZoneInfo("Europe/Brussels")
SECRET = base64.b64encode(b"a key of thirty-two bytes, not less").decode()
RATES = [{"base_date": "2026-10-30", "currency": each, "rate": "1.1"} for each in ("USD", "JPY")]

BULLETIN = """<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<Cube><Cube time="2026-10-30"><Cube currency="USD" rate="1.1225"/></Cube></Cube></gesmes:Envelope>"""


def at(hour: int, minute: int = 0, day: date = DAY) -> datetime:
    return datetime.combine(day, time(hour, minute), BRUSSELS)


class Sweeps:
    """The sweep, at any time of any day, over the named feeds."""

    def __init__(self, bank: Bank, capsys: pytest.CaptureFixture[str]) -> None:
        self._bank, self._capsys = bank, capsys
        self.told: dict[str, str] = {}
        self.log = ""

    def __call__(self, now: datetime, *names: str) -> dict[str, Any]:
        """What its RESULT line counts; its log is kept."""
        self._capsys.readouterr()
        with self.execution(now) as execution:
            try:
                return dict(sweep(execution, [find.load(name, PACKAGES) for name in names or ("fx",)]).counts)
            finally:
                self.log = self._capsys.readouterr().out

    @contextmanager
    def execution(self, now: datetime) -> Iterator[Execution]:
        nowhere = {"ARGO_SERVER": "http://127.0.0.1:9", "ARGO_NAMESPACE": "bank"}
        settings = read({**self._bank.environ, **nowhere, **self.told}, "sweep")
        with executing(settings, LeaseKey("-", "sweep"), threading.Event()) as execution:
            execution.now = lambda: now.astimezone(UTC)
            yield execution


@pytest.fixture
def sweeps(bank: Bank, capsys: pytest.CaptureFixture[str]) -> Sweeps:
    """Everybody watches since the morning."""
    for name in ("fx", "bulletin", "latest"):
        bank.create(name)
    sweeps = Sweeps(bank, capsys)
    assert sweeps(at(9), "fx", "bulletin", "latest") == {
        "due": 0,
        "started": 0,
        "overdue": 0,
        "absent": 0,
        "arrived": 0,
        "undelivered": 0,
    }
    return sweeps


def journal(bank: Bank) -> list[tuple[Any, ...]]:
    return bank.rows(
        "SELECT verb, feed, who, detail->>'base_date', detail->>'found' FROM feedfall.journal "
        "WHERE verb IN ('absent', 'arrived', 'undelivered') ORDER BY id"
    )


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
        control.free(connection, "fx", "kim", "closed")
        control.block(connection, "fx", "sub", 65, "too many bad rows")
    sweeps(at(17, day=date(2026, 11, 2)))
    assert "ABSENT fx 2026-11-02, due 17:00 CET: sub ended with 65: too many bad rows" in sweeps.log


def test_found__a_lease_in_a_dead_runs_hands(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    half = Envelope(correlation("fx", DAY, 1), DAY, 1, count=2)
    bank.send(bank.topic("fx"), json.dumps(RATES[0]).encode(), b"k", half.headers())
    door("sub", "--feed=fx", WORKFLOW_NAME="fx-sub-dead")
    bank.rows("UPDATE feedfall.lease SET expires_at = clock_timestamp() - interval '1 minute'")  # as a crash leaves it
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


# -- the webhook --


class Receiver(ThreadingHTTPServer):
    """Whoever is told. `statuses`: what the next calls are answered, 200 once they are used up."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses: list[int] = []
        self.calls: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def told(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.server_port}/hook?key=sesame"
        return {"FEEDFALL_WEBHOOK_URL": url, "FEEDFALL_WEBHOOK_SECRET": SECRET}

    def kinds(self) -> list[str]:
        return [json.loads(body)["type"] for _, _, body in self.calls]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def receiver(sweeps: Sweeps) -> Iterator[Receiver]:
    with Receiver() as receiver, stamina.set_testing(True, attempts=3):
        threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        sweeps.told = receiver.told
        yield receiver
        receiver.shutdown()


def test_webhook__says_what_is_absent_and_signs_it(sweeps: Sweeps, receiver: Receiver) -> None:
    counts = sweeps(at(17))
    assert (counts["absent"], counts["undelivered"]) == (1, 0)
    [(path, headers, body)] = receiver.calls
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(SECRET)
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert (path, headers["content-type"]) == ("/hook?key=sesame", "application/json")
    assert int(headers["webhook-timestamp"]) == at(17).timestamp()
    assert json.loads(body) == {
        "type": "feed.absent",
        "timestamp": "2026-10-30T16:00:00+00:00",
        "data": {
            "domain": "feedfall",
            "subject": "fx",
            "base_date": "2026-10-30",
            "due_at": "2026-10-30T17:00:00+01:00",
            "found": "no-request",
            "words": "no request sent, no response received",
        },
    }


def test_webhook__is_tried_again_and_never_after_it_was_taken(
    bank: Bank, door: Door, sweeps: Sweeps, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    assert sweeps(at(17))["undelivered"] == 0
    assert len({headers["webhook-id"] for _, headers, _ in receiver.calls}) == 1
    assert (len(receiver.calls), sweeps(at(17, 1))["undelivered"], len(receiver.calls)) == (2, 0, 2)
    bank.respond("fx", RATES, DAY)
    door("sub", "--feed=fx")
    sweeps(at(17, 30))
    assert receiver.kinds() == ["feed.absent", "feed.absent", "feed.arrived"]


def test_webhook__that_fails_is_seen_and_tried_by_the_next_sweep(
    bank: Bank, sweeps: Sweeps, receiver: Receiver
) -> None:
    receiver.statuses = [503] * 3
    assert sweeps(at(17))["undelivered"] == 1
    assert "UNDELIVERED fx 2026-10-30: 127.0.0.1 answered 503; the next sweep tries again" in sweeps.log
    [shown] = json.loads(feedfall(bank, "absent", "--json"))
    assert (shown["trouble"], shown["tries"]) == ("127.0.0.1 answered 503", 1)
    assert "waits: 127.0.0.1 answered 503" in feedfall(bank, "absent")
    assert (sweeps(at(17, 1))["undelivered"], "delivered" in feedfall(bank, "absent")) == (0, True)


def test_webhook__is_given_up_after_a_day(bank: Bank, sweeps: Sweeps, receiver: Receiver) -> None:
    receiver.statuses = [400] * 3
    counts = [sweeps(at(17) + timedelta(hours=hours))["undelivered"] for hours in (0, 23, 24, 25)]
    assert (counts, len(receiver.calls)) == ([1, 1, 0, 0], 3)
    assert [verb for verb, *_ in journal(bank)] == ["absent", "undelivered"]
    assert "given up: 127.0.0.1 answered 400" in feedfall(bank, "absent")


def test_webhook__one_that_is_refused_keeps_no_other_back(bank: Bank, sweeps: Sweeps, receiver: Receiver) -> None:
    receiver.statuses = [400]
    counts = sweeps(at(17, 10), "fx", "bulletin")
    assert (counts["absent"], counts["undelivered"], len(receiver.calls)) == (2, 1, 2)


def test_webhook__follows_no_redirect(sweeps: Sweeps, receiver: Receiver) -> None:
    receiver.statuses = [307]
    assert sweeps(at(17))["undelivered"] == 1
    assert "answered 307 (a redirect, which is not followed)" in sweeps.log
    assert [path for path, _, _ in receiver.calls] == ["/hook?key=sesame"]


def test_webhook__no_log_holds_its_secret_or_its_address(bank: Bank, sweeps: Sweeps, receiver: Receiver) -> None:
    receiver.statuses = [503] * 3
    sweeps(at(17))
    receiver.shutdown()
    receiver.server_close()
    sweeps(at(17, 1))
    assert "is out of reach (ConnectError)" in sweeps.log
    kept = str(bank.rows("SELECT body, trouble FROM feedfall.notice")) + str(
        bank.rows("SELECT * FROM feedfall.journal")
    )
    assert [word for word in (SECRET, "sesame", "hook") if word in sweeps.log + kept] == []


def test_webhook__two_sweeps_at_once_deliver_once(sweeps: Sweeps, receiver: Receiver) -> None:
    together = threading.Barrier(4)

    def one(_: int) -> None:
        with sweeps.execution(at(17)) as execution:
            together.wait(20)
            sweep(execution, [find.load("fx", PACKAGES)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))
    assert len(receiver.calls) == 1


def test_webhook__a_wrong_setting_stops_no_report(sweeps: Sweeps, receiver: Receiver) -> None:
    sweeps.told = {**receiver.told, "FEEDFALL_WEBHOOK_SECRET": "open"}
    with pytest.raises(Misconfigured, match="openssl rand"):
        sweeps(at(17))
    assert "ABSENT fx 2026-10-30" in sweeps.log
    sweeps.told = receiver.told
    assert (sweeps(at(17, 1))["undelivered"], receiver.kinds()) == (0, ["feed.absent"])


def test_webhook__without_one_nothing_is_kept_for_it(bank: Bank, sweeps: Sweeps) -> None:
    sweeps(at(17))
    assert bank.value("SELECT count(*) FROM feedfall.notice") == 0


# -- feedfall absent --


def test_absent__lists_what_is_open(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    assert feedfall(bank, "absent") == "Nothing that was due is absent.\n"
    sweeps(at(17))
    shown = feedfall(bank, "absent")
    assert all(word in shown for word in ("fx", "2026-10-30", "no-request", "no request sent", "KST"))
    bank.respond("fx", RATES, DAY)
    door("sub", "--feed=fx")
    sweeps(at(17, 1))
    assert json.loads(feedfall(bank, "absent", "--json")) == []


def feedfall(bank: Bank, *words: str) -> str:
    done = CliRunner().invoke(app, list(words), env=bank.environ, catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout
