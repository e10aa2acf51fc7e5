"""A hostile Argo, and a hostile receiver of the webhook: over real sockets, never a traceback, and in time."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import stamina

import hostile
from ledger.notice import Notice
from memory import peak_below
from steps.run.exits import Failure, Misconfigured, Transient
from steps.run.settings import Argo, Webhook
from steps.watch.argo import Server
from steps.watch.webhook import Sender

if TYPE_CHECKING:
    pass

Script = "Callable[[hostile.Send], None]"
NEVER_ENDING = [hostile.dripping, hostile.dripping_headers, hostile.early_hints, hostile.silent]


def submit(script: Script, token: str = "") -> bool:
    with hostile.serving(script) as (_, url), Server(Argo(url, "bank", token=token), seconds=0.4) as server:
        return server.submit("fx-sub", "mine", {}, {})


@pytest.mark.parametrize("script", NEVER_ENDING)
def test_argo__an_answer_that_never_ends_is_transient(script: Script) -> None:
    with pytest.raises(Transient, match="out of reach"):
        submit(script)


DEEP = b'{"message":' + b"[" * 900 + b"]" * 900 + b"}"
BODIES = [
    b"",
    b"[]",
    b"7",
    b"null",
    b'"text"',
    b"<html>sign in</html>",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"\xff\xfe\x00",
    b"1" * 5_000,
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", ["200 OK", "302 Found", "400 Bad", "403 No", "404 Not", "409 Conflict"])
def test_argo__an_answer_of_another_form_needs_a_person(status: str, body: bytes) -> None:
    with pytest.raises(Misconfigured) as caught:
        submit(hostile.answer(body, status=status))
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("body", [*BODIES, DEEP, b'{"message":{}}', b'{"message":"' + b"x" * 100_000 + b'"}'])
def test_argo__an_error_of_any_form_is_one_to_try_again(body: bytes) -> None:
    with pytest.raises(Transient) as caught:
        submit(hostile.answer(body, status="503 Down"))
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    "script",
    [
        hostile.flood,
        hostile.answer(hostile.twice_packed(), "Content-Encoding: gzip, gzip"),
        hostile.answer(b"x", "Content-Type: text/html; charset=zlib", status="403 No"),
        hostile.answer(b"", status="999 Odd"),
        lambda send: send(b"\x16\x03\x01 no HTTP"),
        lambda send: send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 8\r\n\r\n"),
        lambda send: send(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000),
    ],
)
def test_argo__whatever_answers_is_a_failure_and_costs_little(script: Script) -> None:
    with peak_below(32 * 2**20), pytest.raises(Failure):
        submit(script)


@pytest.mark.parametrize("token", ["sesame\nX: y", "sésame", "sesame\x00"])
def test_argo__a_token_that_no_header_can_hold_is_a_setting_and_not_printed(token: str) -> None:
    with pytest.raises(Misconfigured, match="ARGO_TOKEN") as caught:
        submit(hostile.answer(b"{}"), token)
    assert "sesame" not in str(caught.value)


# The webhook's receiver

NOTICE = Notice(UUID(int=1), "fx", date(2026, 11, 20), {"type": "feed.absent"}, datetime(2026, 11, 20, tzinfo=UTC))
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 -- the one of standardwebhooks.com's own example


def send(script: Script) -> tuple[str | None, bool]:
    with (
        hostile.serving(script) as (_, url),
        stamina.set_testing(True, attempts=2),
        Sender(Webhook(url, SECRET), seconds=0.4) as sender,
    ):
        return sender.send(NOTICE, 1_800_000_000)


@pytest.mark.parametrize("script", [hostile.dripping_headers, hostile.early_hints, hostile.silent])
def test_webhook__a_receiver_that_never_answers_is_out_of_reach(script: Script) -> None:
    assert send(script) == ("127.0.0.1 is out of reach (LateAnswer)", True)


@pytest.mark.parametrize(
    "script",
    [
        hostile.dripping,
        hostile.close_delimited,
        hostile.flood,
        hostile.answer(hostile.twice_packed(), "Content-Encoding: gzip, gzip"),
        hostile.answer(b"[" * 100_000),
    ],
)
def test_webhook__a_body_is_not_read_once_the_status_says_yes(script: Script) -> None:
    with peak_below(8 * 2**20):
        assert send(script) == (None, False)


@pytest.mark.parametrize("status", ["302 Found", "400 Bad", "500 Down", "999 Odd"])
def test_webhook__any_other_status_is_trouble(status: str) -> None:
    trouble, _ = send(hostile.answer(b"", status=status))
    assert trouble
    assert trouble.startswith(f"127.0.0.1 answered {status[:3]}")
