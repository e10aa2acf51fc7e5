"""What a log can look like, and whom a broker refuses."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from bank import Bank, Door, committed, eventually
from deep_command import deep
from faults.acts import allow, grant, needs_a_person, rate, ticks, transactional

if TYPE_CHECKING:
    from faults.wire import Wired


def test_log__aborted_messages_and_markers_at_the_tail_are_recorded_as_absent(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    producer = transactional(bank)
    for currencies, ends in (("XAA XAB", False), ("USD", True), ("XAC", False)):
        producer.begin_transaction()
        for currency in currencies.split():
            producer.produce(bank.topic("fx"), rate(currency))
        producer.flush(10)
        (producer.commit_transaction if ends else producer.abort_transaction)(10)
    assert door("sub", "--feed=fx").counts("read", "loaded", "lag") == [1, 1, 0]
    assert bank.rows("SELECT records, absent::text FROM feedfall.span") == [(1, "{[0,3),[4,7)}")]
    assert bank.broken("fx") == []


def test_log__a_compacted_one_is_read_to_its_end(bank: Bank, door: Door) -> None:
    """fx is written by transactions, so its ledger allows for offsets that no client sees."""
    bank.create("fx", partitions=1, **COMPACTED)
    for number in range(1, 200):
        bank.send(bank.topic("fx"), rate("USD", number), b"USD")
        if number % 50 == 0:
            time.sleep(0.3)  # a segment's time
    time.sleep(0.5)
    bank.send(bank.topic("fx"), rate("JPY"), b"JPY")
    eventually(lambda: len(seen(bank)) < 150, 30)
    expected = len(seen(bank))
    done = door("sub", "--feed=fx")
    assert (done.words["lag"], int(done.words["read"]) <= expected) == ("0", True)
    assert bank.rows("SELECT currency, rate::int FROM fx_rate ORDER BY 1") == [("JPY", 1), ("USD", 199)]
    assert bank.value("SELECT sum(upper(r) - lower(r)) FROM feedfall.span, unnest(absent) AS r") >= 200 - expected
    assert bank.broken("fx") == []


@pytest.mark.parametrize("how", ["one by one", "in transactions"])
def test_log__compacted_while_it_is_read_gives_each_offset_one_fate(bank: Bank, door: Door, how: str) -> None:
    """Kafka removes messages before the checkpoint, around it, and ahead of it, between runs and in them."""
    bank.create("fx", partitions=1, **COMPACTED)
    topic, producer = bank.topic("fx"), transactional(bank)
    for turn in range(1, 7):
        for number in range(turn * 100, turn * 100 + 40):
            if how == "in transactions":
                producer.begin_transaction()
                producer.produce(topic, rate("USD", number), b"USD")
                producer.commit_transaction(10)
            else:
                bank.send(topic, rate("USD", number), b"USD")
        time.sleep(0.15)  # a segment's time
        bank.send(topic, rate(f"XA{chr(64 + turn)}"), f"XA{turn}".encode())
        if turn % 2:
            assert door("sub", "--feed=fx").words["lag"] == "0"
        eventually(lambda turn=turn: len(seen(bank)) < 10 + turn, 30)
    assert door("sub", "--feed=fx").words["lag"] == "0"
    [(end, records, absent)] = bank.rows(
        "SELECT s.next_offset, sum(p.records), sum(p.to_offset - p.from_offset) - sum(p.records)"
        " FROM feedfall.source s JOIN feedfall.span p ON p.source = s.id GROUP BY 1"
    )
    gaps = "SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM feedfall.span, unnest(absent) AS r"
    assert (records + absent, bank.value(gaps)) == (end, absent)
    assert absent > 100  # and some was read before Kafka removed it
    assert records > len(seen(bank))
    assert bank.value("SELECT rate::int FROM fx_rate WHERE currency = 'USD'") == 639
    assert bank.value("SELECT count(*) FROM fx_rate") == 7
    assert bank.broken("fx") == []
    assert deep(bank)["broken"] == []


COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "100",
}


def seen(bank: Bank) -> list[int]:
    """The offsets that are left."""
    return [message.offset() or 0 for message in committed(bank, bank.topic("fx"))]


@pytest.mark.parametrize("count", [3, 30], ids=["shorter", "longer"])
def test_log__made_anew_is_a_gap_whatever_its_length(bank: Bank, door: Door, count: int) -> None:
    bank.create("tick", partitions=1)
    bank.respond("tick", ticks(10))
    door("sub", "--feed=tick")
    bank.delete_topic(bank.topic("tick"))
    bank.create_topics({bank.topic("tick"): 1})
    bank.respond("tick", ticks(count, first=100))
    gap = door("sub", "--feed=tick")
    assert (gap.exit, "created anew" in gap.words["reason"]) == (81, True)
    assert door("sub", "--feed=tick").status == "BLOCKED"
    assert bank.value("SELECT count(*) FROM tick") == 10


# -- what only a broker refuses; a wrong password, which costs ten seconds, is in `tests/proof/faults` --


@pytest.mark.parametrize(
    ("rights", "says"),
    [([], "Topic authorization failed"), ([AclOperation.DESCRIBE], "authorization failed")],
    ids=["no right at all", "no right to read"],
)
def test_kafka__a_client_that_may_not_needs_a_person(
    wire: Wired, waiting: Bank, door: Door, rights: list[AclOperation], says: str
) -> None:
    grant(waiting, *rights)
    needs_a_person(wire, waiting, door, "pod", says)


def test_relay__needs_no_right_on_a_group_and_one_to_read_responses(wire: Wired, bank: Bank, door: Door) -> None:
    """Groups are for lag tools. What a dead relay has answered is looked up in the response topic."""
    bank.create("fx", partitions=1)
    bank.send(bank.topic("fx", "request"), b"no request")
    bank.send(bank.topic("fx"), b"{}")
    request, both = bank.topic("fx", "request"), (AclOperation.WRITE, AclOperation.DESCRIBE)
    allow(bank, ResourceType.TOPIC, bank.prefix, *both)
    allow(bank, ResourceType.TOPIC, request, AclOperation.READ)
    allow(bank, ResourceType.TRANSACTIONAL_ID, "feedfall.", *both)
    done = door("relay", "--feed=fx", **wire.secured("pod"))
    assert (done.exit, "Topic authorization failed" in done.words["reason"]) == (78, True)
    allow(bank, ResourceType.TOPIC, bank.topic("fx"), AclOperation.READ)
    bank.rows("UPDATE feedfall.feed_control SET blocked_at = NULL, blocked_reason = NULL")
    assert door("relay", "--feed=fx", **wire.secured("pod")).counts("quarantined") == [1]


@pytest.mark.parametrize("more", [10, 25])  # as long as before, and longer
def test_log__that_lost_its_tail_and_has_grown_again_is_a_gap(wire: Wired, bank: Bank, door: Door, more: int) -> None:
    """Promise: a log cut below the checkpoint is found, however long it is now."""
    bank.create("tick", partitions=1)
    send_each(bank, 60)
    assert door("sub", "--feed=tick").counts("loaded") == [60]
    wire.stop_kafka()
    wire.cut_off(bank.topic("tick"), 50)
    wire.start_kafka()
    bank = Bank(bank.kafka, bank.url, bank.prefix, bank.roles)  # a producer that does not remember the lost records
    send_each(bank, more, first=60)
    if more == 10:
        assert door("sub", "--feed=tick").counts("read", "lag") == [0, 0]  # nothing to read, and nothing looked at
        send_each(bank, 1, first=70)
    done = door("sub", "--feed=tick")
    assert (done.exit, "truncation" in done.words["reason"]) == (81, True)
    assert bank.rows("SELECT count(*), max(volume) FROM tick") == [(60, 59)]


def test_log__whose_leader_changed_and_lost_nothing_is_read_on(wire: Wired, bank: Bank, door: Door) -> None:
    """Each start of the broker is another leader's epoch, and each COMMIT leaves a marker behind the last record."""
    bank.create("fx", partitions=1)
    for number, currency in enumerate(("USD", "JPY", "KRW")):
        producer = transactional(bank)
        producer.begin_transaction()
        producer.produce(bank.topic("fx"), rate(currency))
        producer.commit_transaction(10)
        assert door("sub", "--feed=fx").counts("loaded", "lag") == [1, 0]
        assert bank.value("SELECT leader_epoch FROM feedfall.source") >= number
        wire.stop_kafka()
        wire.start_kafka()
    assert bank.broken("fx") == []


def send_each(bank: Bank, count: int, first: int = 0) -> None:
    """Each in a batch of its own."""
    for row in ticks(count, first):
        bank.send(bank.topic("tick"), json.dumps(row).encode())
