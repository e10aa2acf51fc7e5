"""relay against a partner that answers to do harm: it ends in time and in its memory, and the feed goes on."""

from __future__ import annotations

import signal
from datetime import date
from typing import TYPE_CHECKING

import pytest

import hostile
from bank import ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from bank import Bank, Door

DAY = date(2026, 10, 30)
SECONDS = 20


@pytest.fixture
def requested(bank: Bank, door: Door) -> Bank:
    bank.create("fx")
    assert door("pub", "--feed=fx", f"--base-date={DAY}").status == "SUCCEEDED"
    return bank


@pytest.mark.parametrize("script", [hostile.dripping, hostile.early_hints, hostile.silent])
def test_relay__a_stop_ends_the_request_that_would_never_end(
    requested: Bank, script: Callable[[hostile.Send], None]
) -> None:
    with hostile.serving(script) as (server, url):
        relay = requested.start("relay", "--feed=fx", FEEDFALL_PARTNER_URL_ECB=url)
        assert server.reached.wait(SECONDS)
        relay.send_signal(signal.SIGTERM)
        done = ended(relay.wait(SECONDS), *relay.communicate())
    assert (done.exit, done.status) == (143, "STOPPED")
    assert "stopped before every request was answered; nothing moved" in done.words["reason"]
    assert requested.value("SELECT sum(next_offset) FROM feedfall.source WHERE stage = 'relay'") == 0
    assert requested.broken("fx") == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (hostile.answer(hostile.twice_packed(), "Content-Encoding: gzip, gzip"), "encoded as gzip"),
        (hostile.flood, "more than 8,388,608 bytes"),
        (hostile.answer(b"<a>" * 100_000), "where gesmes:Envelope should be"),
        (hostile.answer(b"[" * 100_000), "ParseError"),
    ],
)
def test_relay__an_answer_made_to_cost_memory_is_a_refusal(
    requested: Bank, door: Door, script: Callable[[hostile.Send], None], reason: str
) -> None:
    with hostile.serving(script) as (_, url):
        done = door("relay", "--feed=fx", FEEDFALL_PARTNER_URL_ECB=url)
    assert done.exit == 69
    assert "malformed answer: " in done.words["reason"]
    assert reason in done.words["reason"]
    assert door("sub", "--feed=fx").exit == 0
    assert requested.value("SELECT status FROM feedfall.request") == "refused"
    assert requested.broken("fx") == []


def test_relay__an_address_that_is_none_is_a_setting(requested: Bank, door: Door) -> None:
    done = door("relay", "--feed=fx", FEEDFALL_PARTNER_URL_ECB="ftp://127.0.0.1:1/")
    assert (done.exit, "FEEDFALL_PARTNER_URL_ECB is no address" in done.words["reason"]) == (78, True)
