"""An absent feed is reported outside: by a signed call, until it is taken."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
import stamina

from bank import PACKAGES, Bank, Door
from catalog import find
from steps.run.exits import Misconfigured
from steps.sweep import sweep
from sweeps import DAY, RATES, SECRET, Sweeps, at, feedfall, journal

if TYPE_CHECKING:
    from collections.abc import Iterator


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
