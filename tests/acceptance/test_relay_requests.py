"""relay and its requests: those that are none, those that come twice, and crashes between two commits."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from bank import Bank, Door, committed
from catalog import Envelope
from catalog.message import correlation
from local.partners.ecb import Ecb
from steps.drain.publisher import Publisher
from steps.run.exits import Fenced
from steps.run.settings import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from bank import Ended

DAY, BEFORE = date(2026, 10, 30), date(2026, 10, 29)
GOOD_FRIDAY = date(2026, 4, 3)


# -- requests that are none, or twice --


def test_relay__the_same_request_twice_is_answered_once(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    """pub died between confirm and mark: the topic has it twice, in one chunk and again in a later one."""
    for _ in range(2):
        door("pub", "--feed=fx", f"--base-date={DAY}")
        bank.rows("UPDATE feedfall.request SET sent_at = NULL")
    assert relay().counts("read", "loaded", "duplicate") == [2, 1, 1]
    door("pub", "--feed=fx", f"--base-date={DAY}")
    assert relay().counts("read", "loaded", "duplicate") == [1, 0, 1]
    assert (len(ecb.requests), len(committed(bank, bank.topic("fx", "bell")))) == (1, 1)
    assert len(committed(bank, bank.topic("fx"))) == Envelope.of(committed(bank, bank.topic("fx"))[0].headers()).count
    assert bank.broken("fx") == []


def test_relay__two_requests_of_one_correlation_id_are_one(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    """A stranger's mistake; the first one counts."""
    known = correlation("fx", DAY, 1)
    for day in (DAY, BEFORE):
        bank.send(bank.topic("fx", "request"), b"{}", headers=Envelope(known, day, 1).headers(), partition=0)
    assert relay().counts("read", "loaded", "duplicate") == [2, 1, 1]
    assert bank.rows("SELECT base_date FROM feedfall.request") == [(DAY,)]


NO_REQUESTS: list[bytes | None] = [
    None,
    b"",
    b"{}",
    b"[]",
    b'{"correlation_id": "x", "base_date": "2026-10-30", "seq": 1}',
    b'{"correlation_id": "11111111-2222-3333-4444-555555555555", "base_date": "2026-02-31", "seq": 1}',
    b'{"correlation_id": "11111111-2222-3333-4444-555555555555", "base_date": "0000-01-01", "seq": 1}',
    b'{"correlation_id": "11111111-2222-3333-4444-555555555555", "base_date": "0", "seq": 1}',
    b'{"correlation_id": "11111111-2222-3333-4444-555555555555", "base_date": "2026-10-30", "seq": 0}',
    b'{"correlation_id": "11111111-2222-3333-4444-555555555555", "base_date": "2026-10-30", "seq": 2147483648}',
    b"\xff\xfe",
]


def test_relay__what_is_no_request_is_quarantined(bank: Bank, relay: Callable[..., Ended], ecb: Ecb) -> None:
    for value in NO_REQUESTS:
        bank.send(bank.topic("fx", "request"), value, partition=0)
    bank.send(bank.topic("fx", "request"), b"{}", headers=[("schema", b"feedfall/1"), ("seq", b"x")], partition=0)
    by_body = b'{"correlation_id": "11111111-2222-3333-4444-555555555555", "base_date": "2026-10-29", "seq": 1}'
    bank.send(bank.topic("fx", "request"), by_body, partition=0)
    done = relay()
    assert (done.exit, done.counts("read", "loaded", "quarantined")) == (0, [13, 1, 12])
    found = bank.rows('SELECT value, reason FROM feedfall.quarantine ORDER BY "offset"')
    assert [value for value, _ in found] == [*NO_REQUESTS, b"{}"]
    assert {reason.split(":")[0] for _, reason in found} == {"not a request"}
    assert bank.broken("fx") == []


def test_relay__too_many_that_are_none_block_the_feed(bank: Bank, relay: Callable[..., Ended]) -> None:
    for _ in range(101):
        bank.producer.produce(bank.topic("fx", "request"), b"?", partition=0)
    bank.producer.flush(10)
    done = relay()
    assert done.exit == 65
    assert "more than 100 messages of " in done.words["reason"]
    assert relay().status == "BLOCKED"
    assert bank.value("SELECT count(*) FROM feedfall.quarantine") == 0


def test_relay__a_feed_without_a_partner_has_none(bank: Bank, door: Door) -> None:
    done = door("relay", "--feed=tick")
    assert (done.exit, done.words["reason"][:28]) == (78, "feed tick has no partner: an")


@pytest.mark.parametrize("kind", ["response", "bell"])
def test_relay__a_missing_topic_is_named_before_anybody_is_asked(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb, kind: str
) -> None:
    door("pub", "--feed=fx", f"--base-date={DAY}")
    name = bank.topic("fx", kind)
    bank.delete_topic(name)
    done = relay()
    assert done.exit == 78
    assert f"topic {name} does not exist: create it" in done.words["reason"]
    assert ecb.requests == []


# -- a crash between Kafka's commit and the ledger's --


def forget_the_last_chunk(bank: Bank) -> None:
    """The ledger as it was: what Kafka has committed, the database does not know. The batch was committed before."""
    bank.rows("UPDATE feedfall.source SET next_offset = first_offset WHERE stage = 'relay'")
    bank.rows("DELETE FROM feedfall.span")
    bank.rows("UPDATE feedfall.request SET status = 'sent', answered_at = NULL, count = NULL")
    bank.rows("UPDATE feedfall.batch SET answered = NULL, closed_at = NULL, closed_by = NULL")


def test_crash__between_kafka_and_the_ledger_asks_and_answers_no_second_time(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    door("pub", "--feed=fx", "--from=2026-10-28", "--to=2026-10-30")
    assert relay().counts("loaded") == [3]
    asked, answers = len(ecb.requests), len(committed(bank, bank.topic("fx")))
    forget_the_last_chunk(bank)
    assert relay().counts("read", "loaded", "duplicate", "lag") == [3, 0, 3, 0]
    assert len(ecb.requests) == asked
    assert len(committed(bank, bank.topic("fx"))) == answers
    assert len(committed(bank, bank.topic("fx", "bell"))) == 1
    assert bank.rows("SELECT DISTINCT status FROM feedfall.request") == [("answered",)]
    door("sub", "--feed=fx")
    assert bank.rows("SELECT DISTINCT status FROM feedfall.request") == [("complete",)]
    assert bank.broken("fx") == []


def test_crash__requests_that_came_later_are_asked(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    relay()
    forget_the_last_chunk(bank)
    door("pub", "--feed=fx", "--from=2026-10-26", "--to=2026-10-30")
    assert relay().counts("read", "loaded", "duplicate") == [5, 4, 1]
    door("sub", "--feed=fx")
    assert bank.rows("SELECT status, count(*) FROM feedfall.request GROUP BY 1") == [("complete", 5)]
    assert bank.broken("fx") == []


def test_crash__of_both_pub_and_relay_answers_no_second_time(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    """relay died between Kafka's commit and the ledger's, pub between confirm and mark: the topic has it twice."""
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    assert relay().counts("loaded") == [1]
    requested, answers = len(ecb.requests), len(committed(bank, bank.topic("fx")))
    forget_the_last_chunk(bank)
    bank.rows("UPDATE feedfall.request SET sent_at = NULL")
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    assert relay().counts("read", "loaded", "duplicate") == [2, 0, 2]
    assert (len(ecb.requests), len(committed(bank, bank.topic("fx")))) == (requested, answers)
    door("sub", "--feed=fx")
    assert bank.rows("SELECT status FROM feedfall.request") == [("complete",)]
    assert bank.broken("fx") == []


def test_crash__a_zombie_cannot_answer_any_more(bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb) -> None:
    """A relay that froze in mid-transaction: its successor ends that transaction, and it can never commit."""
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    zombie = Publisher(read(bank.environ), f"feedfall.{bank.prefix}fx.relay.0")
    with pytest.raises(Fenced, match="a newer run writes"), zombie.transaction():  # noqa: PT012 -- a transaction's whole life
        zombie.send(bank.topic("fx"), None, b"from the grave")
        assert relay().counts("loaded") == [1]  # it freezes before this line, and wakes up after it
    assert b"from the grave" not in {each.value() for each in committed(bank, bank.topic("fx"))}
    assert door("sub", "--feed=fx").status == "SUCCEEDED"
    assert bank.broken("fx") == []
