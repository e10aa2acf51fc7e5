"""How much of bad rows a feed allows, and what a log may show of a row: nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from bank import Bank, Door
from ticks import blocked, free, send_ticks, tick

if TYPE_CHECKING:
    from collections.abc import Callable

    from bank import Ended

# -- the budget: tick allows 20 bad rows in its last ten spans --


def test_budget__one_more_is_a_changed_contract(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    for value in [tick()] * 3 + [b"?"] * 21:
        bank.producer.produce(bank.topic("tick"), value)
    bank.producer.flush()
    done = door("sub", "--feed=tick")
    assert (done.exit, done.status) == (65, "FAILED")
    assert "more than 20 bad rows in the last ten spans; nothing of this chunk was loaded" in done.words["reason"]
    for table in ("tick", "feedfall.quarantine", "feedfall.span"):
        assert bank.value(f"SELECT count(*) FROM {table}") == 0
    assert bank.value("SELECT next_offset FROM feedfall.source") == 0
    assert blocked(bank, "tick") == 65
    assert door("sub", "--feed=tick").status == "BLOCKED"
    assert bank.broken("tick") == []


def test_budget__all_of_it_may_be_used(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    for value in [b"?"] * 20 + [tick()]:
        bank.send(bank.topic("tick"), value)
    assert door("sub", "--feed=tick").counts("loaded", "quarantined") == [1, 20]


def test_budget__is_of_the_last_ten_spans_and_not_of_a_run(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    for bad in (12, 8):
        send_ticks(bank, [b"?"] * bad)
        assert door("sub", "--feed=tick").exit == 0
    send_ticks(bank, [b"?"])
    assert door("sub", "--feed=tick").exit == 65
    assert bank.value("SELECT sum(quarantined) FROM feedfall.span") == 20


def test_budget__comes_back_after_ten_good_spans(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    send_ticks(bank, [b"?"] * 20 + [tick()] * 1100 + [b"?"] * 20)  # chunks of a hundred
    done = door("sub", "--feed=tick")
    assert (done.exit, done.counts("loaded", "quarantined")) == (0, [1100, 40])
    assert bank.broken("tick") == []


def test_budget__counts_what_the_database_refuses(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    bank.rows("ALTER TABLE tick ADD CHECK (volume < 100)")
    send_ticks(bank, [tick(volume=100)] * 21)
    assert door("sub", "--feed=tick").exit == 65
    assert bank.value("SELECT count(*) FROM feedfall.span") == 0


def test_budget__of_bytes_is_beside_that_of_rows(bank: Bank, door: Door) -> None:
    """Each message is within max_bad and max_message; all of them would fill the database."""
    bank.create("latest", partitions=1, **{"max.message.bytes": str(4 * 2**20)})
    producer = Producer({"bootstrap.servers": bank.kafka, "message.max.bytes": 4 * 2**20, "log_level": 0})
    for _ in range(12):
        producer.produce(bank.topic("latest"), b"?" * (3 * 2**20))
        producer.flush(10)
    done = door("sub", "--feed=latest")
    assert (done.exit, done.status) == (65, "FAILED")
    assert "more than 16,777,216 bytes of bad rows in the last ten spans" in done.words["reason"]
    assert bank.value("SELECT coalesce(sum(octet_length(value)), 0) FROM feedfall.quarantine") <= 16 * 2**20
    assert blocked(bank, "latest") == 65
    assert bank.broken("latest") == []


@pytest.mark.parametrize(
    ("value", "key", "headers"),
    [
        (b"?" * 450, None, []),
        (b"?", b"k" * 450, []),  # all of a message is stored, and counts
        (b"?", None, [("x", b"h" * 225), ("y", b"h" * 220)]),
        (None, None, [("h" * 450, None)]),
    ],
    ids=["value", "key", "headers", "a header's name"],
)
def test_budget__of_bytes_is_of_the_last_ten_spans_and_comes_back(
    bank: Bank, door: Door, value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    bank.create("brief", partitions=1)  # allows 1,000 bytes
    for _ in range(2):
        bank.send(bank.topic("brief"), value, key, headers)
        assert door("sub", "--feed=brief").exit == 0
    bank.send(bank.topic("brief"), value, key, headers)
    assert door("sub", "--feed=brief").exit == 65
    bank.rows(
        "UPDATE feedfall.quarantine SET settled_as = 'discarded', settled_at = now(), settled_by = 'kim', "
        "settled_reason = 'test'"
    )
    free(bank, "brief")
    assert door("sub", "--feed=brief").counts("quarantined") == [1]
    assert bank.broken("brief") == []


PRIVATE = "Kim-880101-1234567"


def test_log__a_failure_of_the_database_shows_no_row(bank: Bank, door: Door) -> None:
    """PostgreSQL's CONTEXT quotes the line of COPY, and its DETAIL the row."""
    bank.create("tick", partitions=1)
    bank.rows("""CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
              $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100', DETAIL = NEW.note; END $$""")
    bank.rows("CREATE TRIGGER full_disk BEFORE INSERT ON tick FOR EACH ROW EXECUTE FUNCTION full_disk()")
    bank.send(bank.topic("tick"), tick(note=PRIVATE))
    done = door("sub", "--feed=tick")
    assert (done.exit, "no space left" in done.words["reason"]) == (75, True)
    assert PRIVATE not in done.stdout + done.stderr
    assert PRIVATE not in str(bank.rows("SELECT reason FROM feedfall.run"))


def test_log__an_internal_error_of_the_database_shows_no_row(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    bank.rows("""CREATE FUNCTION stops() RETURNS trigger LANGUAGE plpgsql AS
              $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '42601', DETAIL = NEW.note; END $$""")
    bank.rows("CREATE TRIGGER stops BEFORE INSERT ON tick FOR EACH ROW EXECUTE FUNCTION stops()")
    bank.send(bank.topic("tick"), tick(note=PRIVATE))
    done = door("sub", "--feed=tick")
    assert (done.exit, "SyntaxError" in done.words["reason"]) == (70, True)
    assert PRIVATE not in done.stdout + done.stderr
    assert PRIVATE not in str(bank.rows("SELECT reason FROM feedfall.run"))


@pytest.mark.parametrize("act", ["", "ALTER TABLE tick ADD CHECK (volume < 0)"], ids=["feed", "database"])
def test_log__a_changed_contract_is_named_without_a_value(bank: Bank, door: Door, act: str) -> None:
    """The values are in Kafka; the RESULT line goes to logs, to the board and to Control-M."""
    bank.create("tick", partitions=1)
    bank.rows(act or "SELECT 1")
    send_ticks(bank, [tick(note=PRIVATE) if act else tick(note="n", price=PRIVATE)] * 21)
    done = door("sub", "--feed=tick")
    assert (done.exit, "The last one, 0@20: " in done.words["reason"]) == (65, True)
    assert ("the database refuses it" if act else "price: not a number as JSON text") in done.words["reason"]
    assert PRIVATE not in done.stdout + done.stderr


def test_budget__of_bytes_is_relays_too(bank: Bank, door: Door, relay: Callable[..., Ended]) -> None:
    """What is no request goes into the database whole; what earlier runs set aside there counts as well."""
    topic = bank.topic("fx", "request")
    bank.delete_topic(topic)
    bank.create_topics({topic: 1}, **{"max.message.bytes": str(8 * 2**20)})
    producer = Producer({"bootstrap.servers": bank.kafka, "message.max.bytes": 8 * 2**20, "log_level": 0})
    exits = []
    for _ in range(3):
        producer.produce(topic, b"?" * (6 * 2**20))
        producer.flush(10)
        exits.append(relay())
    assert [done.exit for done in exits] == [0, 0, 65]
    assert f"more than 16,777,216 bytes of messages of {topic} are no request" in exits[-1].words["reason"]
    assert bank.value("SELECT sum(octet_length(value)) FROM feedfall.quarantine") == 12 * 2**20
    assert blocked(bank, "fx") == 65
