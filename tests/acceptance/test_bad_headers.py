"""What a message's headers may hold: bad ones spoil only a message of ours, and say nothing about the next one."""

from __future__ import annotations

import json
from datetime import date
from uuid import UUID

import pytest

from bank import Bank, Door
from catalog.message import correlation
from ticks import tick

DAY = date(2026, 10, 30)
OURS = ("schema", b"feedfall/1")

KNOWN = UUID("11111111-2222-3333-4444-555555555555")

HEADERS: list[tuple[list[tuple[str, bytes | None]], str]] = [
    ([], "loaded"),
    ([("count", b"many")], "quarantined"),
    ([("count", b"-1")], "quarantined"),
    ([("count", b"99999999999")], "quarantined"),
    ([("correlation-id", b"abc")], "quarantined"),
    ([("correlation-id", b"")], "quarantined"),
    ([("correlation-id", str(KNOWN).encode())], "loaded"),
    ([("seq", b"-1")], "quarantined"),
    ([("seq", b"2147483648")], "quarantined"),
    ([("seq", b"1" * 5000)], "quarantined"),  # more digits than int() reads
    ([("base-date", b"2026-02-31")], "quarantined"),
    ([("kind", b"rows")], "quarantined"),
    ([("kind", b"empty")], "nothing"),  # another publisher's "empty" may mean anything: its row must not vanish
    ([("kind", None)], "loaded"),  # a header without a value is none
    ([("seq", b"\xff\xfe")], "quarantined"),  # not UTF-8
    ([("seq", b"1"), ("seq", b"2")], "loaded"),  # twice: the last one counts
    ([("correlation-id", str(KNOWN).encode()), ("reason", b"a\x00b")], "loaded"),
    ([("", b""), ("한글", b"\x00\xff"), ("x", None)], "loaded"),  # other people's own
]


@pytest.mark.parametrize("whose", ["ours", "foreign"])
def test_headers__bad_ones_spoil_only_a_message_of_ours(bank: Bank, door: Door, whose: str) -> None:
    bank.create("tick", partitions=1)
    for number, (headers, _) in enumerate(HEADERS):
        bank.send(bank.topic("tick"), tick(volume=number), headers=[*headers, OURS] if whose == "ours" else headers)
    done = door("sub", "--feed=tick")
    fates = [fate if whose == "ours" else "loaded" for _, fate in HEADERS]
    bad = [number for number, fate in enumerate(fates) if fate == "quarantined"]
    assert (done.exit, done.counts("loaded", "quarantined")) == (0, [fates.count("loaded"), len(bad)])
    assert bank.rows('SELECT "offset"::int FROM feedfall.quarantine ORDER BY 1') == [(number,) for number in bad]
    assert bank.broken("tick") == []


def test_headers__of_one_message_say_nothing_about_the_next(bank: Bank, door: Door) -> None:
    """`empty` of ours, then an unreadable one, then another publisher's row without headers: that row is not empty."""
    bank.create("tick", partitions=1)
    empty = [OURS, ("kind", b"empty"), ("correlation-id", str(KNOWN).encode()), ("seq", b"7")]
    for headers in (empty, [OURS, ("count", b"many")], []):
        bank.send(bank.topic("tick"), tick(), headers=headers)
    assert door("sub", "--feed=tick").counts("loaded", "quarantined") == [1, 1]
    assert bank.rows("SELECT _seq FROM tick") == [(0,)]
    assert bank.rows("SELECT correlation_id FROM feedfall.quarantine") == [(None,)]


def test_headers__of_an_outside_message_say_nothing_about_the_next(bank: Bank, door: Door) -> None:
    bank.create("brief", partitions=1)
    known = [("correlation-id", str(KNOWN).encode()), ("seq", b"7"), ("count", b"1")]
    for symbol, headers in (("A", known), ("B", [])):
        bank.send(bank.topic("brief"), b'[{"symbol":"%s","volume":1}]' % symbol.encode(), headers=headers)
    door("sub", "--feed=brief")
    assert bank.rows("SELECT symbol, _seq FROM brief ORDER BY 1") == [("A", 7), ("B", 0)]
    assert bank.rows("SELECT settled, status FROM feedfall.request") == [(1, "complete")]
    assert bank.broken("brief") == []


def test_headers__an_answer_whose_row_has_no_value_is_still_complete(bank: Bank, door: Door) -> None:
    """Each message of an answer has one fate, quarantined whole included: what waits for the answer may continue."""
    bank.create("fx", partitions=1)
    headers = [OURS, ("correlation-id", str(correlation("fx", DAY, 1)).encode()), ("count", b"2")]
    good = json.dumps({"base_date": f"{DAY}", "currency": "USD", "rate": "1"}).encode()
    for value in (good, None):
        bank.send(bank.topic("fx"), value, headers=headers)
    assert door("sub", "--feed=fx").counts("loaded", "quarantined") == [1, 1]
    assert bank.rows("SELECT status, settled FROM feedfall.request") == [("complete", 2)]
    assert bank.rows("SELECT correlation_id FROM feedfall.quarantine") == [(correlation("fx", DAY, 1),)]
    assert bank.broken("fx") == []
