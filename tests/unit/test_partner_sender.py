"""Requests to a hostile or broken partner over real sockets: each ends as a value, or with the run, and in time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest
import stamina

import hostile
from bank import ROOT
from catalog import Envelope, Kind
from catalog.partner import Answer, Empty, Malformed, Quota, Refused, Request, Rows
from feeds.fx import FX
from memory import peak_below
from steps.partner.deferral import Unanswered
from steps.partner.messages import LONGEST_REASON, write_answer
from steps.partner.sender import AWAY, Pace, RequestSender, check_address
from steps.run.exits import Misconfigured, Transient
from steps.run.http_client import BoundedClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAY = date(2026, 11, 20)
REQUESTS = [Request(UUID(int=number), DAY, number + 1) for number in range(4)]


class Adapter:
    """As short as an adapter may be: JSON in, rows out."""

    def __init__(self, client: BoundedClient) -> None:
        self._client = client

    def ask(self, request: Request) -> Answer:
        response = self._client.get(f"{request.seq}")
        response.raise_for_status()
        return Rows(response.json())


@contextmanager
def sending(
    script: Callable[[hostile.Send], None], stop: threading.Event | None = None, seconds: float = 0.4
) -> Iterator[tuple[RequestSender, hostile.Hostile]]:
    with (
        hostile.serving(script) as (server, url),
        stamina.set_testing(True, attempts=2),
        BoundedClient(base_url=url, timeout=3600, seconds=seconds, trust_env=False) as client,
    ):
        sender = RequestSender(Adapter(client), client, 4, stop or threading.Event())
        try:
            yield sender, server
        finally:
            sender.close()


def test_send__answers_in_the_order_of_the_requests() -> None:
    with sending(hostile.answer(b'[{"a": 1}]')) as (sender, _):
        assert sender.send(REQUESTS) == [Rows([{"a": 1}])] * 4


@pytest.mark.parametrize(
    "script", [hostile.dripping, hostile.dripping_headers, hostile.early_hints, hostile.close_delimited, hostile.silent]
)
def test_send__a_slow_answer_is_none_for_now(script: Callable[[hostile.Send], None]) -> None:
    with sending(script) as (sender, _):
        answers = sender.send(REQUESTS)
    assert [type(each) for each in answers] == [Unanswered] * 4
    assert "too slow: the answer was not complete" in str(answers[0])


@pytest.mark.parametrize(
    "script", [hostile.dripping, hostile.dripping_headers, hostile.early_hints, hostile.close_delimited, hostile.silent]
)
def test_send__a_stop_ends_what_would_never_end(script: Callable[[hostile.Send], None]) -> None:
    stop = threading.Event()
    with sending(script, stop, seconds=3600) as (sender, server):
        threading.Thread(target=lambda: (server.reached.wait(10), stop.set())).start()
        with pytest.raises(Transient, match="stopped before every request was answered; nothing moved"):
            sender.send(REQUESTS)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (hostile.answer(hostile.twice_packed(), "Content-Encoding: gzip, gzip"), "encoded as gzip"),
        (hostile.flood, "more than 8,388,608 bytes"),
        (hostile.answer(b"[" * 100_000), "nested too deeply"),
    ],
)
def test_send__an_answer_made_to_cost_memory_is_malformed(script: Callable[[hostile.Send], None], reason: str) -> None:
    with sending(script, seconds=3600) as (sender, server), peak_below(64 * 2**20):
        [answer] = sender.send(REQUESTS[:1])
    assert isinstance(answer, Malformed)
    assert reason in answer.reason
    assert server.connections == 1  # another attempt would be answered alike


def test_send__a_servers_own_fault_is_tried_again_and_then_no_answer_for_now() -> None:
    with sending(hostile.answer(b"", status="503 Down")) as (sender, server):
        assert sender.send(REQUESTS[:1]) == [Unanswered("the partner answered 503 4 times")]
        assert server.connections == 2


class Script:
    """An adapter that has its answers already; it counts who came."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self._answers, self.sent = list(answers), 0

    def ask(self, request: Request) -> Answer:  # noqa: ARG002 -- an adapter's form
        self.sent += 1
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def one_by_one(script: Script, count: int) -> list[object]:
    with stamina.set_testing(True, attempts=1), BoundedClient(seconds=1) as client:
        sender = RequestSender(script, client, 1, threading.Event())
        found: list[object] = list(sender.send([REQUESTS[0]] * count))
        sender.close()
    return found


DOWN = httpx.ConnectError("down")


def test_send__after_a_quota_no_other_is_sent() -> None:
    script = Script(Rows([{"a": 1}]), Quota("enough"))
    assert one_by_one(script, 5) == [Rows([{"a": 1}]), *[Quota("enough")] * 4]
    assert script.sent == 2


def test_send__a_partner_that_is_away_is_not_asked_for_every_request() -> None:
    script = Script(*[DOWN] * AWAY)
    answers = one_by_one(script, AWAY + 3)
    assert answers[:AWAY] == [Unanswered("the partner is out of reach (ConnectError)")] * AWAY
    reason = f"not sent, for {AWAY} others had no answer: the partner is out of reach (ConnectError)"
    assert answers[AWAY:] == [Unanswered(reason, sent=False)] * 3
    assert script.sent == AWAY


def test_send__a_partner_that_answers_others_is_not_away() -> None:
    found = one_by_one(Script(*[DOWN] * (AWAY - 1), Refused("no"), *[DOWN] * (AWAY - 1), Refused("no")), 2 * AWAY)
    assert found.count(Refused("no")) == 2


def test_send__beats_while_answers_come() -> None:
    beats: list[int] = []
    with sending(hostile.answer(b'[{"a": 1}]')) as (sender, _):
        sender.send(REQUESTS, lambda: beats.append(1))
    assert beats


POD = """
import sys
sys.path.insert(0, "tests/unit")
from steps.run.execution import stopping
from test_partner_sender import Adapter, REQUESTS
from steps.partner.sender import RequestSender
from steps.run.exits import Transient
from steps.run.http_client import BoundedClient
with stopping() as stop, BoundedClient(base_url=sys.argv[1], timeout=3600, seconds=3600, trust_env=False) as client:
    sender = RequestSender(Adapter(client), client, 4, stop)
    try:
        sender.send(REQUESTS)
    except Transient as error:
        print(error)
    sender.close()
"""


@pytest.mark.parametrize("script", [hostile.dripping, hostile.early_hints, hostile.silent])
def test_send__sigterm_ends_a_process_whose_partner_never_ends(script: Callable[[hostile.Send], None]) -> None:
    """As a pod receives it: in the main thread, while others wait for the partner."""
    with hostile.serving(script) as (server, url):
        path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", POD, url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=path, cwd=ROOT) as pod:
            assert server.reached.wait(20)
            pod.send_signal(signal.SIGTERM)
            said, _ = pod.communicate(timeout=20)
    assert (pod.returncode, said) == (0, "stopped before every request was answered; nothing moved\n")


@pytest.mark.parametrize(
    "url", ["", "partner.bank/sesame", "ftp://partner.bank/sesame", "http://", "http://bank:sesame/"]
)
def test_address__that_is_none_is_a_setting_and_not_printed(url: str) -> None:
    with pytest.raises(Misconfigured, match="FEEDFALL_PARTNER_URL_ECB is no address") as caught:
        check_address("ecb", url)
    assert "sesame" not in str(caught.value)


def test_pace__a_stop_ends_the_wait() -> None:
    stop = threading.Event()
    pace = Pace(per_second=0.0001, stop=stop, clock=lambda: 0.0)
    pace.wait()
    stop.set()
    pace.wait()  # its turn would be in three hours


# What is written of an answer


def test_write__a_row_is_a_record_with_the_feeds_key() -> None:
    row = {"base_date": "2026-11-20", "currency": "USD", "rate": "1.1"}
    [(key, value, headers)] = write_answer(FX, REQUESTS[0], Rows([row])).records
    assert (key, json.loads(value), Envelope.of(headers).count) == (b"2026-11-20|USD", row, 1)


@pytest.mark.parametrize("currency", ["\ud800", "\x00", "은행"])
def test_write__a_key_of_any_text_is_written(currency: str) -> None:
    [(key, _, _)] = write_answer(FX, REQUESTS[0], Rows([{"base_date": "x", "currency": currency}])).records
    assert key == b"x|" + currency.encode(errors="backslashreplace")


def deep(levels: int) -> list[object]:
    found: list[object] = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"a": deep(100_000)}, "no JSON: RecursionError"),
        ({"a": "x" * 990_000}, "a row of 990009 bytes is larger than a message may be"),
    ],
)
def test_write__a_row_that_no_message_can_hold_is_a_refusal(row: dict[str, object], said: str) -> None:
    written = write_answer(FX, REQUESTS[0], Rows([row]))
    assert written.error
    assert said in written.error
    assert Envelope.of(written.records[0][2]).kind is Kind.REFUSED


@pytest.mark.parametrize(
    "answer", [Refused("\ud800 no\x00"), Malformed("\ud800\x00"), Empty("\ud800\x00", expected=False)]
)
def test_write__a_reason_of_any_text_can_be_stored(answer: Answer) -> None:
    written = write_answer(FX, REQUESTS[0], answer)
    reason = Envelope.of(written.records[0][2]).reason or ""
    assert written.error == f"2026-11-20: {reason}"
    assert "\x00" not in reason
    assert "\\ud800" in reason


def test_write__a_long_reason_is_cut() -> None:
    reason = Envelope.of(write_answer(FX, REQUESTS[0], Refused("no " * 10_000)).records[0][2]).reason
    assert reason is not None
    assert len(reason) == LONGEST_REASON


def test_write__the_longest_reason_fits_into_the_header() -> None:
    reason = "\ud800\x00은😀" * 1_000
    assert Envelope.of(write_answer(FX, REQUESTS[0], Refused(reason)).records[0][2]).kind is Kind.REFUSED
