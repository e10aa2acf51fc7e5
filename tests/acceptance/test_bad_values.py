"""What a message's value may hold: a bad one is alone in quarantine, byte by byte, its neighbours are loaded."""

from __future__ import annotations

import json
from datetime import date

import pytest

from bank import Bank, Door
from ticks import literal, tick, without

DAY = date(2026, 10, 30)

BAD = [
    (None, "no value (null)"),
    (b"", "EOF while parsing"),
    (b"not json", "Invalid JSON"),
    (b"\xef\xbb\xbf" + tick(), "Invalid JSON"),  # a byte order mark
    (b"[]", "an object"),
    (b"[%s]" % tick(), "an object"),
    (b"7", "an object"),
    (b'"text"', "an object"),
    (b"null", "an object"),
    (b"[" * 100_000, "recursion limit"),
    (literal("extra", b"[" * 100_000), "recursion limit"),  # in a field that the feed does not have
    (tick() + b"," + tick(), "trailing characters"),  # two rows, were messages joined into one array
    (tick() + tick(), "trailing characters"),
    (tick()[:-1], "EOF while parsing"),
    (b"],[", "Invalid JSON"),
    (without("price"), "price: missing"),
    (without("note"), "note: missing"),  # null is a value; nothing is none
    (tick(symbol=None), "symbol: 'None' is not 1 to 64 letters"),
    (tick(symbol="한국"), "symbol: '한국' is not"),
    (tick(symbol="A\n"), r"symbol: 'A\n' is not"),
    (tick(symbol="A\tB"), r"symbol: 'A\tB' is not"),
    (tick(symbol=r"\N"), "is not 1 to 64 letters"),  # COPY's null
    (tick(symbol="A" * 65), "is not 1 to 64 letters"),
    (tick(price=1.5), "price: '1.5' is not a number as JSON text"),  # a float has already been rounded
    (tick(price="1,5"), "price: '1,5' is not"),
    (tick(price="NaN"), "price: 'NaN' is not"),  # PostgreSQL would take it
    (tick(price="Infinity"), "price: 'Infinity' is not"),
    (tick(price="1e400"), "price: '1e400' is not"),
    (literal("price", b"1e400"), "price: 'inf' is not"),
    (literal("price", b"NaN"), "price: 'nan' is not"),
    (tick(price="12345678901234567"), "at most 16 digits before"),
    (tick(price="0.123456789"), "and 8 after the point"),
    (tick(price="٣"), "price: '٣' is not"),  # a digit, but an Arabic one
    (tick(price="1\n"), r"price: '1\n' is not"),
    (tick(volume="7"), "volume: '7' is not a whole number"),
    (tick(volume=7.0), "volume: '7.0' is not"),
    (tick(volume=True), "volume: 'True' is not"),
    (tick(volume=2**63), "volume: '9223372036854775808' is not a whole number of at most 64 bits"),
    (tick(volume=-(2**63) - 1), "volume: '-9223372036854775809' is not"),
    (literal("volume", b"1e400"), "volume: 'inf' is not"),
    (literal("volume", b"1" * 4300), "volume: '1111"),
    (literal("volume", b"1" * 5000), "number out of range"),
    (tick(note=""), "note: '' is not text of 1 to 200"),
    (tick(note="x" * 201), "is not text of 1 to 200"),
    (tick(note="a\x00b"), r"note: 'a\x00b' is not text of 1 to 200 characters without NUL"),
    (literal("note", rb'"\ud800"'), "hex escape"),
    (literal("note", b'"\xff\xfe"'), "unicode"),
    (literal("note", b'"\xed\xa0\x80"'), "unicode"),  # a surrogate's own bytes
]


@pytest.mark.parametrize("some", [BAD[:16], BAD[16:32], BAD[32:]], ids=["documents", "numbers", "bounds"])
def test_value__that_is_bad_stands_alone_in_quarantine(
    bank: Bank, door: Door, some: list[tuple[bytes | None, str]]
) -> None:
    bank.create("tick", partitions=1)
    for number, (value, _) in enumerate(some):
        bank.send(bank.topic("tick"), tick(volume=number))
        bank.send(bank.topic("tick"), value, b"\xffkey")
    done = door("sub", "--feed=tick")
    assert (done.exit, done.counts("read", "loaded", "quarantined")) == (0, [2 * len(some), len(some), len(some)])
    found = bank.rows('SELECT "offset", row, key, value, correlation_id, reason FROM feedfall.quarantine ORDER BY 1')
    assert [each[:5] for each in found] == [(2 * n + 1, -1, b"\xffkey", v, None) for n, (v, _) in enumerate(some)]
    assert [(says, each[5]) for each, (_, says) in zip(found, some, strict=True) if says not in each[5]] == []
    assert bank.rows("SELECT volume FROM tick ORDER BY _offset") == [(n,) for n in range(len(some))]
    assert door("sub", "--feed=tick").words["read"] == "0"
    assert bank.broken("tick") == []


NO_DATES = [
    "2026-02-31",  # no such day
    "2026-02-29",
    "1900-02-29",  # no leap year
    "0000-01-01",  # PostgreSQL knows no year 0
    "20261030",
    "2026-W44-5",
    "2026-10-30T00:00:00",
    "0",  # a lenient reader makes it 1970-01-01
    "1789948800",  # and this one 2026-09-21
    "2026-10-30 ",
    "30.10.2026",
]


def test_value__a_date_is_a_date_or_in_quarantine(bank: Bank, door: Door) -> None:
    bank.create("latest", partitions=1)
    dates = [*NO_DATES, f"{DAY}", "2000-02-29", "0001-01-01", "9999-12-31"]  # the last is still to come
    bank.respond("latest", [{"symbol": f"S{n}", "base_date": d, "price": "1"} for n, d in enumerate(dates)])
    assert door("sub", "--feed=latest").counts("loaded", "deferred", "quarantined") == [3, 1, len(NO_DATES)]
    assert bank.rows("SELECT base_date::text FROM latest ORDER BY _offset") == [(d,) for d in dates[-4:-1]]
    assert bank.broken("latest") == []


def test_value__the_last_good_ones_are_loaded_as_they_are(bank: Bank, door: Door) -> None:
    """The other side of every bound above."""
    bank.create("tick")
    values = [
        tick(volume=2**63 - 1, price="9999999999999999.99999999"),
        tick(volume=-(2**63), price="-9999999999999999.99999999"),
        tick(symbol="A" * 64, note="끝" * 200),
        tick(note="\x01\x7f\u0085\u2028\ufeff\U0001f600\\.\\N"),  # whatever Unicode has, and COPY's own words
        tick(extra={"a": [1]}),  # a field that the feed does not have is no fault
        literal("note", rb'"\ud83d\ude00"'),  # a pair of surrogates is one character
    ]
    for value in values:
        bank.send(bank.topic("tick"), value)
    assert door("sub", "--feed=tick").counts("read", "loaded") == [6, 6]
    query = "SELECT symbol, price::text, volume, note FROM tick"
    wanted = [json.loads(value) for value in values]
    texts = {(r["symbol"], r["note"], r["volume"]) for r in wanted}
    assert {(symbol, note, volume) for symbol, _, volume, note in bank.rows(query)} == texts
    assert bank.value("SELECT max(price)::text FROM tick") == "9999999999999999.99999999"


def test_value__the_same_key_twice_in_a_chunk_keeps_the_later(bank: Bank, door: Door) -> None:
    bank.create("latest", partitions=1)
    bank.respond("latest", [{"symbol": "A", "base_date": f"{DAY}", "price": price} for price in ("1", "3", "2")])
    assert door("sub", "--feed=latest").counts("loaded", "superseded") == [1, 2]
    assert bank.value("SELECT price::text FROM latest") == "2.00000000"
    assert bank.broken("latest") == []


def test_answer__sent_twice_by_a_publisher_without_transactions_is_no_fault_of_the_books(
    bank: Bank, door: Door
) -> None:
    """At least once is what most publishers promise: the second time is a duplicate."""
    bank.create("latest")
    for _ in range(2):
        bank.respond("latest", [{"symbol": "A", "base_date": f"{DAY}", "price": "1"}], DAY)
    assert door("sub", "--feed=latest").counts("loaded", "duplicate") == [1, 1]
    assert bank.value("SELECT status FROM feedfall.request") == "complete"
    assert door("verify", "--feed=latest").status == "SUCCEEDED"


def test_value__larger_than_the_feed_allows_is_kept_unread(bank: Bank, door: Door) -> None:
    bank.create("brief", partitions=1)
    small, large = b'[{"symbol":"A","volume":1}]', b'[{"symbol":"B","volume":1}]' + b" " * 200
    for value in (small, large, small):
        bank.send(bank.topic("brief"), value)
    assert door("sub", "--feed=brief").counts("read", "loaded", "duplicate", "quarantined") == [3, 1, 1, 1]
    assert bank.rows("SELECT reason, value FROM feedfall.quarantine") == [("227 bytes: the feed allows 200", large)]
    assert bank.broken("brief") == []


@pytest.mark.parametrize(
    "value",
    [
        rb'"\ud800 is half a character"',  # the reader's own words cannot be encoded
        rb'"a \u0000 in the reason"',
        b"7",  # not iterable
        b'[{"symbol": "A", "volume": 1}, 7]',  # one of its rows is none: see below
        b"[[]]",
        b"\xff",
        b"{",
    ],
)
def test_reader__fails_and_only_its_message_suffers(bank: Bank, door: Door, value: bytes) -> None:
    bank.create("brief", partitions=1)
    for each in (b'[{"symbol":"G","volume":1}]', value, b'[{"symbol":"H","volume":1}]'):
        bank.send(bank.topic("brief"), each)
    done = door("sub", "--feed=brief")
    assert (done.exit, done.words["quarantined"]) == (0, "1")
    assert {"G", "H"} <= {symbol for (symbol,) in bank.rows("SELECT symbol FROM brief")}
    assert bank.broken("brief") == []


@pytest.mark.parametrize(
    ("document", "price"),
    [
        (b'{"symbol": "A", "price": "1", "volume": 1, "note": null, "price": "2"}', "2.00000000"),
        (b'{"symbol": "A", "price": "?", "volume": 1, "note": null, "price": "2"}', "2.00000000"),
        (b'{"symbol": "A", "price": "2", "volume": 1, "note": null, "price": "?"}', None),
    ],
)
def test_value__of_a_key_that_is_there_twice_the_last_one_counts(
    bank: Bank, door: Door, document: bytes, price: str | None
) -> None:
    bank.create("tick", partitions=1)
    bank.send(bank.topic("tick"), document)
    assert door("sub", "--feed=tick").counts("loaded", "quarantined") == ([1, 0] if price else [0, 1])
    assert bank.rows("SELECT price::text FROM tick") == ([(price,)] if price else [])
