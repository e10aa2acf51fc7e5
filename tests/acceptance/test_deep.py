"""verify --deep on real servers: whatever was done to the table or the ledger, Kafka shows it."""

from __future__ import annotations

import json
import os
from datetime import date

import pytest
from confluent_kafka import Producer, TopicPartition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bank import Bank, Door
from cli.__main__ import app
from deep_command import deep

DAY = date(2026, 10, 30)
CURRENCIES = "AUD BGN CAD CHF CNY CZK"


def rates(currencies: str = CURRENCIES, rate: str = "1.1") -> list[dict[str, str]]:
    return [{"base_date": DAY.isoformat(), "currency": each, "rate": rate} for each in currencies.split()]


@pytest.fixture
def loaded(bank: Bank, door: Door) -> Bank:
    """Offsets 0 to 5 superseded, 6 to 11 loaded, 12 in quarantine; two runs."""
    bank.create("fx", partitions=1)
    bank.respond("fx", rates(rate="1"), DAY, seq=1)
    door("sub", "--feed=fx")
    bank.respond("fx", [*rates(rate="2"), {"base_date": "2026-10-30", "currency": "ISK", "rate": "N.A."}], DAY, seq=2)
    door("sub", "--feed=fx")
    return bank


def test_deep__of_an_untouched_feed_proves_all_of_it(loaded: Bank) -> None:
    found = deep(loaded)
    assert found["broken"] == []
    assert found["depth"] == {"offsets": 13, "rows": 12, "gone": 0, "unread": 0}
    said = CliRunner().invoke(app, ["verify", "fx", "--deep"], env=loaded.environ).stdout
    assert said.endswith("Proven: each of 13 offsets has one fate.\nCompared with Kafka: 12 rows of 13 offsets.\n")


#: What somebody does to the database → what must be said. The shallow proof finds only the first three.
TAMPERING = {
    "a row is deleted": (
        "DELETE FROM fx_rate WHERE currency = 'CHF'",
        "[0]@9 row 0: in Kafka, and nowhere here: neither it nor a newer row of its key (2026-10-30, CHF)",
    ),
    "a row is added with the origin of another": (
        "INSERT INTO fx_rate SELECT base_date, 'ZZZ', 2, _source, _offset, 0, _at, _seq, _run FROM fx_rate LIMIT 1",
        "row 0: currency is ZZZ, in Kafka",
    ),
    "a quarantine entry is deleted": (
        "DELETE FROM feedfall.quarantine",
        "1 rows went to quarantine and 0 are there",
    ),
    "a value is changed": (
        "UPDATE fx_rate SET rate = 9 WHERE currency = 'CHF'",
        "[0]@9 row 0: rate is 9.00000000, in Kafka 2.00000000",
    ),
    "a key is changed": (
        "UPDATE fx_rate SET currency = 'ZZZ' WHERE currency = 'CHF'",
        "[0]@9 row 0: currency is ZZZ, in Kafka CHF",
    ),
    "a row claims a number that its message has not": (
        "UPDATE fx_rate SET _row = 1 WHERE currency = 'CHF'",
        "[0]@9 row 1: in the table, and Kafka has no such row there",
    ),
    "a row claims an offset beyond the checkpoint": (
        "UPDATE fx_rate SET _offset = 99 WHERE currency = 'CHF'",
        "offset 99 row 0: in the table, and the ledger has no such origin",
    ),
    "a row claims another's topic": (
        "UPDATE fx_rate SET _source = 99 WHERE currency = 'CHF'",
        "source 99 offset 9 row 0: in the table, and the ledger has no such origin",
    ),
    "a row claims a later time": (
        "UPDATE fx_rate SET _seq = 7 WHERE currency = 'CHF'",
        "[0]@9 row 0: _seq is 7, in Kafka 2",
    ),
    "the older row is put in the newer one's place": (
        "UPDATE fx_rate SET rate = 1, _seq = 1, _offset = 3 WHERE currency = 'CHF'",
        "[0]@9 row 0: the row of offset 3 stands in its place, and is older",
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_deep__finds(loaded: Bank, what: str) -> None:
    statement, sentence = TAMPERING[what]
    loaded.rows(statement)
    assert (loaded.broken("fx") != []) == (what in list(TAMPERING)[:3])
    assert any(sentence in each for each in deep(loaded)["broken"]), deep(loaded)["broken"]


def test_deep__finds_a_message_that_was_recorded_as_absent(bank: Bank, door: Door) -> None:
    """All else adds up: a topic with markers, an answer without a count."""
    bank.create("fx", partitions=1)
    bank.respond("fx", rates())
    door("sub", "--feed=fx")
    bank.rows("UPDATE feedfall.span SET records = records - 1, absent = int8multirange(int8range(1, 2))")
    bank.rows("UPDATE feedfall.span SET rows_read = rows_read - 1, loaded = loaded - 1")
    bank.rows("DELETE FROM fx_rate WHERE _offset = 1")
    assert bank.broken("fx") == []
    shown, missing = deep(bank)["broken"]
    assert "[0] [0, 6): {[1,2)} is recorded as absent, and Kafka shows it to a client" in shown
    assert "[0]@1 row 0: in Kafka, and nowhere here" in missing


def test_deep__markers_and_aborted_records_are_absent_for_both(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    producer = Producer({"bootstrap.servers": bank.kafka, "transactional.id": bank.prefix, "log_level": 0})
    producer.init_transactions(10)
    for number, end in enumerate((producer.commit_transaction, producer.abort_transaction) * 3):
        producer.begin_transaction()
        row = {"base_date": "2026-10-30", "currency": f"AA{chr(65 + number)}", "rate": "1"}
        producer.produce(bank.topic("fx"), json.dumps(row).encode())
        producer.flush(10)
        end(10)
    door("sub", "--feed=fx")
    found = deep(bank)
    assert (found["broken"], found["depth"]["rows"], found["depth"]["offsets"]) == ([], 3, 12)
    bank.rows("UPDATE fx_rate SET _offset = 2 WHERE _offset = 0")  # 2 was aborted
    assert any("@2 row 0: in the table, and Kafka has no such row" in each for each in deep(bank)["broken"])


def test_deep__says_how_much_is_no_longer_in_kafka(loaded: Bank) -> None:
    [future] = loaded.admin.delete_records([TopicPartition(loaded.topic("fx"), 0, 8)]).values()
    future.result()
    found = deep(loaded)
    assert (found["broken"], found["depth"]) == ([], {"offsets": 5, "rows": 4, "gone": 8, "unread": 0})
    said = CliRunner().invoke(app, ["verify", "fx", "--deep"], env=loaded.environ).stdout
    assert "Not compared: 8 recorded offsets that are no longer in Kafka." in said


def test_deep__beyond_the_end_of_the_topic_is_said_at_once(loaded: Bank) -> None:
    """As after a topic has lost its end: the checkpoint is where the topic ended before."""
    loaded.rows("UPDATE feedfall.source SET next_offset = 20")
    loaded.rows("UPDATE feedfall.span SET to_offset = 20, absent = '{[13,20)}' WHERE to_offset = 13")
    found = deep(loaded)
    [sentence] = found["broken"]
    assert sentence.endswith("[0]: recorded up to offset 19, and the topic ends at 13: it has lost its end")
    assert (found["depth"]["offsets"], found["depth"]["gone"]) == (13, 7)


def test_deep__a_definition_that_has_become_narrower_is_said_and_breaks_nothing(loaded: Bank) -> None:
    """The row of offset 12 as if it had been loaded, by a definition that took it: its message is no row today."""
    loaded.rows("DELETE FROM feedfall.quarantine")
    loaded.rows("UPDATE feedfall.span SET quarantined = 0, loaded = loaded + 1 WHERE quarantined = 1")
    loaded.rows(
        "INSERT INTO fx_rate SELECT base_date, 'ISK', rate, _source, 12, 0, _at, _seq, _run FROM fx_rate LIMIT 1"
    )
    found = deep(loaded)
    assert (found["broken"], found["depth"]["unread"]) == ([], 1)
    said = CliRunner().invoke(app, ["verify", "fx", "--deep"], env=loaded.environ).stdout
    assert "Not compared: 1 rows that the feed's definition of today refuses." in said


def test_deep__what_the_types_of_the_database_refuse_is_in_quarantine(bank: Bank, door: Door) -> None:
    """The year 0 is a date for the pattern, and none for PostgreSQL."""
    bank.create("fx", partitions=1)
    bank.respond("fx", [*rates(), {"base_date": "0000-01-01", "currency": "USD", "rate": "1"}])
    assert door("sub", "--feed=fx").counts("loaded", "quarantined") == [6, 1]
    found = deep(bank)
    assert (found["broken"], found["depth"]) == ([], {"offsets": 7, "rows": 6, "gone": 0, "unread": 0})


def test_deep__beside_a_drain_that_goes_on(loaded: Bank, door: Door) -> None:
    """Rows that came since are beyond the bounds, or newer."""
    loaded.respond("fx", rates(rate="3"), DAY, seq=3)
    assert deep(loaded)["broken"] == []
    door("sub", "--feed=fx")
    assert deep(loaded)["broken"] == []


def test_deep__many_differences_are_counted(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=2)
    bank.respond("tick", [{"symbol": "A", "price": "1", "volume": n, "note": None} for n in range(300)])
    door("sub", "--feed=tick")
    assert deep(bank, "tick")["broken"] == []
    bank.rows("UPDATE tick SET note = 'mine'")
    sentences = deep(bank, "tick")["broken"]
    assert (len(sentences), sentences[-1]) == (21, "… and 280 more like it")


#: `make proof` looks at more.
EXAMPLES = 50 if os.environ.get("STORMS") else 5
RESPONSES = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=12)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(responses=RESPONSES, breaks=st.sets(st.integers(0, 11)), lost=st.sets(st.sampled_from("ABC")))
def test_deep_and_replay__hold_for_any_order_of_rows(
    bank: Bank, door: Door, responses: list[tuple[str, int, int]], breaks: set[int], lost: set[str]
) -> None:
    """Whatever came, in whatever runs: deep finds nothing, then each lost key, and a replay brings just these back."""
    bank = Bank(bank.kafka, bank.url, f"{bank.prefix}{next(NUMBERS)}.", bank.roles)
    door = Door(bank, door._capsys)  # noqa: SLF001 -- the same hands on other topics
    for table in (
        "latest",
        "feedfall.request",
        "feedfall.quarantine",
        "feedfall.replaced",
        "feedfall.span",
        "feedfall.source",
    ):
        bank.rows(f"DELETE FROM {table}")
    bank.create("latest", partitions=1)
    for number, (symbol, seq, price) in enumerate(responses):
        row = {"symbol": symbol, "base_date": "2026-10-30", "price": f"{price + 1}"}
        bank.respond("latest", [row], DAY, seq=seq)
        if number in breaks:
            door("sub", "--feed=latest")
    door("sub", "--feed=latest")
    assert deep(bank, "latest")["broken"] == []
    before = bank.rows("SELECT to_jsonb(t) FROM latest t ORDER BY symbol")
    gone = len(bank.rows("DELETE FROM latest WHERE symbol = ANY(%s) RETURNING symbol", list(lost)))
    assert len([each for each in deep(bank, "latest")["broken"] if "nowhere here" in each]) == gone
    whole = f"--offsets={bank.topic('latest')}/0:0-{len(responses) - 1}"
    done = CliRunner().invoke(app, ["replay", "latest", "--reason=x", "--by=x", whole, "--json"], env=bank.environ)
    assert json.loads(done.stdout)["missing"] == 0
    assert bank.rows("SELECT to_jsonb(t) FROM latest t ORDER BY symbol") == before
    assert deep(bank, "latest")["broken"] == []


NUMBERS = iter(range(1000))
