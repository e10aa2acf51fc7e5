"""Which row of a key stands, told from what was sent: through sub, redrive and both proofs."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from bank import Bank, Door
from deep_command import deep
from quarantine_command import GOOD, WHY, answer, command

DAY = date(2026, 10, 30)
NOON = 1_793_000_000_000


def row(rate: str) -> dict[str, str]:
    return {**GOOD, "rate": rate}


def send(bank: Bank, rate: str, at: int = NOON, partition: int = 0) -> None:
    """A message of our own form, with a time of its sender's choice."""
    value, topic = json.dumps(row(rate)).encode(), bank.topic("fx")
    bank.producer.produce(topic, value, b"KRW", timestamp=at, partition=partition)
    bank.producer.flush(10)


def stands(bank: Bank) -> list[tuple[Any, ...]]:
    return bank.rows("SELECT rate::text, _offset FROM fx_rate WHERE currency = 'KRW'")


def check_proven(bank: Bank) -> None:
    assert bank.broken("fx") == []
    assert deep(bank)["broken"] == []


def test_newest__an_equal_row_that_is_newer_keeps_an_older_one_out(bank: Bank, door: Door) -> None:
    """Offset 0 is loaded, 1 is set aside, 2 says what 0 says. Then 1 is mended: 2 is newer still."""
    bank.create("fx", partitions=1)
    send(bank, "1")
    door("sub", "--feed=fx")
    send(bank, "N.A.")
    send(bank, "1")
    assert door("sub", "--feed=fx").counts("loaded", "quarantined") == [1, 1]
    done = command(bank, "redrive", "fx", "0@1", "--value=-", "--json", *WHY, said=json.dumps(row("2")))
    assert (answer(done), stands(bank)) == ([("0@1", "superseded")], [("1.00000000", 2)])
    check_proven(bank)


def test_newest__back_and_forth_in_one_chunk(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    send(bank, "1")
    door("sub", "--feed=fx")
    send(bank, "2")
    send(bank, "1")
    assert door("sub", "--feed=fx").counts("loaded", "superseded", "duplicate") == [1, 1, 0]
    assert stands(bank) == [("1.00000000", 2)]
    check_proven(bank)


@pytest.mark.parametrize("at_once", [True, False])
def test_newest__a_sender_whose_clock_goes_back_loses_to_itself(bank: Bank, door: Door, *, at_once: bool) -> None:
    bank.create("fx", partitions=1)
    send(bank, "1", NOON)
    if not at_once:
        door("sub", "--feed=fx")
    send(bank, "2", NOON - 60_000)
    door("sub", "--feed=fx")
    assert stands(bank) == [("1.00000000", 0)]
    check_proven(bank)


def test_newest__across_partitions_the_time_decides_in_any_order(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=2)
    send(bank, "2", NOON + 1, partition=1)
    door("sub", "--feed=fx")
    send(bank, "1", NOON, partition=0)
    assert door("sub", "--feed=fx").counts("loaded", "superseded") == [0, 1]
    assert stands(bank) == [("2.00000000", 0)]
    check_proven(bank)


def test_newest__times_cannot_go_in_a_circle(bank: Bank, door: Door) -> None:
    """By offset within a partition and by time across them, each of these three would be newer than another."""
    bank.create("fx", partitions=2)
    for rate, at, partition in (("1", 100, 0), ("2", 50, 0), ("3", 75, 1)):
        send(bank, rate, NOON + at, partition)
        door("sub", "--feed=fx")
    assert stands(bank) == [("1.00000000", 0)]
    check_proven(bank)


def test_deep__a_released_row_that_is_called_a_duplicate_is_missed(bank: Bank, door: Door) -> None:
    """Who may mark entries could make a row disappear in that way."""
    bank.create("fx", partitions=1)
    bank.rows("ALTER TABLE fx_rate ADD CONSTRAINT tight CHECK (rate < 5)")
    send(bank, "7")
    door("sub", "--feed=fx")
    bank.rows("ALTER TABLE fx_rate DROP CONSTRAINT tight")
    assert deep(bank)["broken"] == []
    mark = "settled_at = now(), settled_by = 'nobody', settled_run = 1, settled_reason = ''"
    bank.rows(f"UPDATE feedfall.quarantine SET settled_as = 'duplicate', {mark}")
    assert [each for each in deep(bank)["broken"] if "in Kafka, and nowhere here" in each]


def test_deep__a_row_that_was_mended_is_not_compared(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    bank.rows("ALTER TABLE fx_rate ADD CONSTRAINT tight CHECK (rate < 5)")
    send(bank, "7")
    door("sub", "--feed=fx")
    command(bank, "redrive", "fx", "0@0", "--value=-", "--json", *WHY, said=json.dumps(row("2")))
    assert stands(bank) == [("2.00000000", 0)]
    check_proven(bank)
