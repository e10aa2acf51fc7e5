"""pub, relay and the simulated ECB: a base date is answered once, and its rows arrive; and a partner in trouble."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from bank import Bank, Door, committed, hasten
from catalog import Envelope
from local.partners.ecb import Ecb

if TYPE_CHECKING:
    from collections.abc import Callable

    from bank import Ended

DAY, BEFORE = date(2026, 10, 30), date(2026, 10, 29)
GOOD_FRIDAY = date(2026, 4, 3)


# -- pub, relay, sub --


def test_relay__answers_and_rings_once_and_the_rows_arrive(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    door("pub", "--feed=fx", "--from=2026-10-29", "--to=2026-11-01")
    done = relay()
    assert (done.exit, done.status) == (0, "SUCCEEDED")
    assert done.counts("read", "loaded", "lag") == [2, 2, 0]
    answers = committed(bank, bank.topic("fx"))
    assert {Envelope.of(each.headers()).base_date for each in answers} == {BEFORE, DAY}
    assert {Envelope.of(each.headers()).count for each in answers} == {len(answers) // 2}
    [bell] = committed(bank, bank.topic("fx", "bell"))  # one a transaction, not one an answer or a row
    assert json.loads(bell.value())["responses"] == 2
    assert bank.rows("SELECT DISTINCT status FROM feedfall.request") == [("answered",)]
    assert door("sub", "--feed=fx").counts("read", "loaded", "lag") == [len(answers), len(answers), 0]
    assert bank.rows("SELECT DISTINCT status FROM feedfall.request") == [("complete",)]
    assert bank.value("SELECT rate::text FROM fx_rate WHERE base_date = %s AND currency = 'USD'", DAY) == "1.11720000"
    assert bank.broken("fx") == []
    assert relay().words["read"] == "0"


def test_relay__a_backfill_rings_once(bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb) -> None:
    door("pub", "--feed=fx", "--from=2020-01-01", "--to=2020-03-31")
    assert relay(FEEDFALL_DOMAIN="bank").counts("loaded") == [64]
    assert ecb.requests == ["eurofxref-hist.zip"]
    assert len(committed(bank, bank.topic("fx", "bell"))) <= 2
    door("sub", "--feed=fx")
    assert bank.rows("SELECT status, count(*) FROM feedfall.request GROUP BY 1") == [("complete", 64)]
    assert bank.broken("fx") == []


def test_relay__a_holiday_is_answered_with_empty(bank: Bank, door: Door, relay: Callable[..., Ended]) -> None:
    door("pub", "--feed=fx", f"--base-date={GOOD_FRIDAY}", "--policy=OrderAnyway")
    assert (relay().exit, relay().exit) == (0, 0)
    [message] = committed(bank, bank.topic("fx"))
    told = Envelope.of(message.headers())
    assert (told.kind, told.count, told.reason) == ("empty", 0, "TARGET is closed on 2026-04-03: Good Friday")
    assert door("sub", "--feed=fx").counts("read", "loaded") == [0, 0]
    assert bank.rows("SELECT status, reason FROM feedfall.request") == [("empty", told.reason)]
    assert bank.broken("fx") == []


def test_relay__silence_on_an_open_day_is_an_error_that_somebody_sees(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    ecb.published = BEFORE
    door("pub", "--feed=fx", f"--base-date={DAY}")
    done = relay()
    assert done.exit == 69
    assert "TARGET is open on 2026-10-30, but the newest fixing served is of 2026-10-29" in done.words["reason"]
    door("sub", "--feed=fx")
    assert bank.value("SELECT status FROM feedfall.request") == "empty"


def test_relay__a_poison_rate_costs_one_row(bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb) -> None:
    ecb.poison[DAY, "KRW"] = "N.A."
    door("pub", "--feed=fx", f"--base-date={DAY}")
    relay()
    assert door("sub", "--feed=fx").words["quarantined"] == "1"
    assert bank.value("SELECT status FROM feedfall.request") == "complete"
    assert bank.broken("fx") == []


# -- a partner's troubles --


def test_relay__asks_again_when_the_partner_stumbles(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    ecb.failures += [503, 502, 503]
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    assert (relay().exit, len(ecb.requests)) == (0, 4)


def test_relay__a_partner_that_is_down_costs_time_and_nothing_else(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    ecb.failures += [503] * 4
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    down = relay()
    assert (down.exit, down.status, down.counts("read", "loaded", "deferred", "lag")) == (0, "SUCCEEDED", [1, 0, 1, 0])
    assert down.words["reason"].startswith("deferred 1, the first until 2")
    assert down.words["reason"].endswith(": the partner answered 503 4 times")
    hasten(bank)
    nobody = relay(FEEDFALL_PARTNER_URL_ECB="http://127.0.0.1:1/")
    assert nobody.counts("read", "loaded", "deferred", "retried") == [1, 0, 1, 1]
    assert nobody.words["reason"].endswith(": the partner is out of reach (ConnectError)")
    assert committed(bank, bank.topic("fx")) == []
    assert bank.rows("SELECT status, tries FROM feedfall.request") == [("sent", 2)]
    hasten(bank)
    assert relay().counts("read", "loaded", "deferred", "retried") == [1, 1, 0, 1]
    assert bank.broken("fx") == []


@pytest.mark.parametrize(
    ("failures", "body", "says"),
    [
        ([403], None, "HTTP 403 Forbidden"),
        ([404], None, "HTTP 404 Not Found"),
        ([], b"<!DOCTYPE html><title>Maintenance</title>", "malformed answer: "),
        ([], b"", "malformed answer: "),
    ],
)
def test_relay__a_refusal_is_an_answer_and_an_error(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb, failures: list[int], body: bytes | None, says: str
) -> None:
    ecb.failures, ecb.body = failures, body
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    done = relay()
    assert done.exit == 69
    assert done.words["reason"].startswith("2026-10-29: ")
    assert says in done.words["reason"]
    door("sub", "--feed=fx")
    [(status, reason)] = bank.rows("SELECT status, reason FROM feedfall.request")
    assert (status, says in reason) == ("refused", True)
    assert relay().words["read"] == "0"  # not asked again by itself; a higher seq asks again
    assert bank.broken("fx") == []


def test_relay__a_quota_waits_until_the_partner_allows(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    ecb.failures, ecb.retry_after = [429], "3600"
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    done = relay()
    assert (done.exit, done.status, done.counts("read", "deferred")) == (0, "SUCCEEDED", [1, 1])
    assert "the partner's quota is used up: " in done.words["reason"]
    waits = bank.value("SELECT wait_until FROM feedfall.feed_control")
    assert timedelta(minutes=55) < waits - datetime.now(UTC) < timedelta(minutes=65)
    assert bank.value("SELECT retry_at FROM feedfall.request") == waits
    again = relay()
    assert (again.exit, again.status) == (0, "WAITING")
    assert "the partner's quota is used up until " in again.words["reason"]
    assert len(ecb.requests) == 1
    assert door("sub", "--feed=fx").status == "SUCCEEDED"  # a quota is relay's alone
    bank.rows("UPDATE feedfall.feed_control SET wait_until = clock_timestamp()")
    hasten(bank)
    assert relay().counts("loaded", "retried") == [1, 1]
    assert bank.broken("fx") == []


def test_relay__of_a_second_domain_is_refused(bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb) -> None:
    """With a ledger of its own it does not know what the first has answered, and would ask and answer again."""
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    assert relay(FEEDFALL_DOMAIN="bank").counts("loaded") == [1]
    requests = list(ecb.requests)
    for statement in ("DELETE FROM feedfall.span", "DELETE FROM feedfall.batch"):  # as another database would have it
        bank.rows(statement)
    bank.rows("UPDATE feedfall.source SET next_offset = first_offset")
    bank.rows("UPDATE feedfall.request SET answered_at = NULL, status = 'sent'")
    second = relay()
    assert (second.exit, second.status) == (78, "FAILED")
    assert f"domain 'bank' has answered requests of {bank.topic('fx', 'request')}" in second.words["reason"]
    assert ecb.requests == requests


def test_relay__of_a_domain_that_was_renamed_goes_on(bank: Bank, door: Door, relay: Callable[..., Ended]) -> None:
    """Its ledger has the batches of the former name."""
    for day, domain in ((BEFORE, "bank"), (BEFORE - timedelta(days=1), "house")):
        door("pub", "--feed=fx", f"--base-date={day}", "--policy=OrderAnyway")
        assert relay(FEEDFALL_DOMAIN=domain).counts("loaded") == [1]
