"""What people, settings, partners and strangers get wrong: a clear word, the right exit code, and nothing lost."""

from __future__ import annotations

import json
import re
from datetime import date
from uuid import UUID

import pytest

from bank import Bank, Door
from catalog.message import correlation
from ledger import control, schema
from ledger.database import CODE, connect

DAY = date(2026, 10, 30)
ROW: dict[str, object] = {"symbol": "A", "price": "1", "volume": 1, "note": None}
OURS = ("schema", b"feedfall/1")


def tick(**changes: object) -> bytes:
    return json.dumps({**ROW, **changes}).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in ROW.items() if key != name}).encode()


def literal(name: str, text: bytes) -> bytes:
    """A row whose one value is written by hand, as no JSON writer would."""
    return tick(**{name: "HERE"}).replace(b'"HERE"', text)


# -- the words of a command --


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "the following arguments are required: stage"),
        (["load", "--feed=fx"], "invalid choice: 'load'"),
        (["sub"], "the following arguments are required: --feed"),
        (["sub", "--feed=gold"], "no feed 'gold': there are "),
        (["sub", "--feed=../fx"], "no feed '../fx'"),
        (["sub", "--feed="], "no feed ''"),
        (["sub", "--feed=form"], "no feed 'form'"),  # a folder of feeds/, not a feed
        (["sub", "--feed=fx", "--faster"], "unrecognized arguments: --faster"),
        (["sub", "--feed=fx", "--shard=1"], "feed fx has shards 0 to 0, not 1"),
        (["sub", "--feed=fx", "--shard=-1"], "feed fx has shards 0 to 0, not -1"),
        (["sub", "--feed=fx", "--shard=one"], "argument --shard: invalid int value: 'one'"),
        (
            ["pub", "--feed=fx", "--base-date=2026-02-31"],
            "'2026-02-31' is not a date: write YYYY-MM-DD, YYYYMMDD or YYMMDD",
        ),
        (["pub", "--feed=fx", "--base-date=26-10-30"], "'26-10-30' is not a date"),  # eight characters too
        (["pub", "--feed=fx", "--base-date=yesterday"], "'yesterday' is not a date"),
        (
            ["pub", "--feed=fx", "--base-date=2026-W44-5"],
            "'2026-W44-5' is not a date",
        ),  # ISO's weeks are nobody's 기준일자
        (["pub", "--feed=fx", "--base-date=2026W445"], "'2026W445' is not a date"),
        (["pub", "--feed=fx", "--base-date=2026103\uff10"], "is not a date"),  # a full-width digit
        (["pub", "--feed=fx", "--from=2026-10-01"], "give --from and --to together"),
        (["pub", "--feed=fx", "--to=2026-10-01"], "give --from and --to together"),
        (["pub", "--feed=fx", "--from=20261001", "--to=20261002", "--base-date=20261001"], "no --base-date beside"),
        (["pub", "--feed=fx", "--from=2026-10-30", "--to=2026-10-29"], "--to 2026-10-29 is before --from 2026-10-30"),
        (["pub", "--feed=fx", "--seq=0"], "'0' is not a number from 1"),
        (["pub", "--feed=fx", "--seq=2147483648"], "is not a number from 1"),  # PostgreSQL's int ends before it
        (["pub", "--feed=fx", "--policy=Skip"], "'Skip' is none of DoNotOrder, OrderOnNextConfirmedDay,"),
        (["pub", "--feed=fx", "--base-date=2029-01-02"], "TARGET covers 1999-01-01 to 2028-12-31, not 2029-01-02"),
    ],
)
def test_door__refuses_a_mistake_and_blocks_nothing(bank: Bank, door: Door, words: list[str], says: str) -> None:
    done = door(*words)
    assert (done.exit, done.status) == (78, "FAILED")
    assert says in done.words["reason"]
    assert bank.value("SELECT count(*) FROM feedfall.feed_control WHERE blocked_at IS NOT NULL") == 0


@pytest.mark.parametrize("word", ["x y", "x\nRESULT status=SUCCEEDED", 'x" status="SUCCEEDED', "끝 이", "x\u2028y"])
def test_door__a_feeds_name_cannot_forge_the_result_line(bank: Bank, door: Door, word: str) -> None:
    done = door("sub", f"--feed={word}")
    assert (done.exit, done.status, done.words["feed"]) == (78, "FAILED", word)


@pytest.mark.parametrize("word", ["20261030", "2026-10-30"])
def test_door__takes_both_forms_of_a_date(bank: Bank, door: Door, word: str) -> None:
    bank.create("fx")
    assert door("pub", "--feed=fx", f"--base-date={word}").words["date"] == "2026-10-30"


# -- settings --


def test_settings__all_that_are_missing_are_named_at_once(bank: Bank, door: Door) -> None:
    done = door("sweep", KAFKA_BOOTSTRAP_SERVERS="", DATABASE_URL="")
    assert (done.exit, done.status) == (78, "FAILED")
    assert "not set: KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL, ARGO_SERVER, ARGO_NAMESPACE" in done.words["reason"]


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("FEEDFALL_FEEDS", "acme.feeds", "FEEDFALL_FEEDS names acme.feeds"),
        ("KAFKA_SECURITY_PROTOCOL", "PLAIN", "Check the KAFKA_* settings"),
        ("FEEDFALL_TOPIC_PREFIX", "no spaces.", "Check the KAFKA_* settings"),
        ("DATABASE_URL", "postgresql//feedfall:hidden@db/bank", "DATABASE_URL cannot be read"),
        ("DATABASE_URL", "postgresql://feedfall:hid den@db/bank", "DATABASE_URL cannot be read"),
        ("DATABASE_URL", "postgresql://feedfall:hid%zzden@db/bank", "DATABASE_URL cannot be read"),
    ],
)
def test_settings__one_that_is_wrong_is_named(bank: Bank, door: Door, setting: str, value: str, says: str) -> None:
    done = door("sub", "--feed=fx", **{setting: value})
    assert (done.exit, done.status) == (78, "FAILED")
    assert says in done.words["reason"]
    assert "hid" not in done.stdout + done.stderr  # a password is never repeated


# -- servers --


def test_kafka__out_of_reach_is_transient(bank: Bank, door: Door) -> None:
    done = door(
        "sub", "--feed=tick", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1"
    )  # the ten seconds of steps.drain.kafka.SECONDS
    assert (done.exit, done.status) == (75, "FAILED")
    assert "Kafka is out of reach" in done.words["reason"]
    assert bank.value("SELECT expires_at FROM feedfall.lease") is None
    assert blocked(bank, "tick") is None


@pytest.mark.parametrize(
    ("pattern", "wrong", "code", "says"),
    [
        (r":\d+/", ":1/", 75, "the database is out of reach: "),
        (r"@[^/]+/", "@nowhere.invalid:1/", 75, "the database is out of reach: "),
        (r":[^:@]+@", ":guess@", 78, "password authentication failed"),
        (r"/\w+$", "/nothing", 78, 'database "nothing" does not exist'),
        (r"//\w+:", "//nobody:", 78, "authentication failed"),
    ],
)
def test_database__out_of_reach_is_transient_and_a_refusal_is_not(
    bank: Bank, door: Door, pattern: str, wrong: str, code: int, says: str
) -> None:
    done = door("sub", "--feed=tick", DATABASE_URL=re.sub(pattern, wrong, bank.url, count=1))
    assert (done.exit, done.status) == (code, "FAILED")
    assert says in done.words["reason"]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (
            "INSERT INTO feedfall.schema VALUES (99, 99)",
            f"this image's code ({CODE}) is older than the schema serves (99): use",
        ),
        (
            f"DELETE FROM feedfall.schema WHERE version >= {CODE}",
            f"the schema ({schema.migrations()[-2].version}) is older than this code ({CODE}): run `feedfall migrate`",
        ),
        ("DELETE FROM feedfall.schema", f"the schema (0) is older than this code ({CODE}): run `feedfall migrate`"),
        ("DROP SCHEMA feedfall CASCADE", "the database has no ledger: run `feedfall migrate`"),
    ],
)
def test_schema__another_than_the_codes_is_refused(bank: Bank, door: Door, statement: str, says: str) -> None:
    bank.rows(statement)
    done = door("sub", "--feed=tick")
    assert (done.exit, done.status) == (78, "FAILED")
    assert says in done.words["reason"]


def test_schema__newer_but_still_serving_is_welcome(bank: Bank, door: Door) -> None:
    bank.create("tick")
    bank.rows("INSERT INTO feedfall.schema VALUES (99, 1)")
    assert door("sub", "--feed=tick").status == "SUCCEEDED"


def test_table__without_a_column_blocks_until_freed(bank: Bank, door: Door) -> None:
    bank.create("tick")
    bank.respond("tick", [ROW])
    bank.rows("ALTER TABLE tick RENAME note TO remark")
    done = door("sub", "--feed=tick")
    assert done.exit == 78
    assert done.words["reason"] == "table tick has no column note: ALTER TABLE tick ADD note text"
    assert blocked(bank, "tick") == 78
    assert bank.value("SELECT sum(next_offset) FROM feedfall.source") == 0
    bank.rows("ALTER TABLE tick RENAME remark TO note")
    assert door("sub", "--feed=tick").status == "BLOCKED"
    free(bank, "tick")
    assert door("sub", "--feed=tick").counts("loaded") == [1]
    assert bank.broken("tick") == []


@pytest.mark.parametrize(
    ("act", "says"),
    [
        ("DROP TABLE tick", "table tick does not exist: `feedfall migrate`"),
        ("ALTER TABLE tick ALTER price TYPE numeric(10,2)", "tick.price is numeric(10,2); the feed writes "),
    ],
)
def test_table__that_would_round_or_is_not_there_loads_nothing(bank: Bank, door: Door, act: str, says: str) -> None:
    """Nothing is rounded on the way."""
    bank.create("tick")
    bank.respond("tick", [{**ROW, "price": "1.23456"}])
    bank.rows(act)
    done = door("sub", "--feed=tick")
    assert done.exit == 78
    assert says in done.words["reason"]
    assert bank.value("SELECT sum(next_offset) FROM feedfall.source") == 0


def test_topic__missing_blocks_until_freed(bank: Bank, door: Door) -> None:
    done = door("sub", "--feed=tick")
    assert (done.exit, done.status) == (78, "FAILED")
    assert f"topic {bank.prefix}tick.response does not exist" in done.words["reason"]
    bank.create("tick")
    again = door("sub", "--feed=tick")
    assert (again.exit, again.status) == (0, "BLOCKED")
    assert "`feedfall free` lifts it" in again.words["reason"]
    free(bank, "tick")
    assert door("sub", "--feed=tick").status == "SUCCEEDED"


# -- a message's value: alone in quarantine, byte by byte, its neighbours loaded --

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
    (literal("extra", b"[" * 100_000), "recursion limit"),  # in a field that nobody asked for
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
        tick(extra={"a": [1]}),  # a field that nobody asked for is nobody's fault
        literal("note", rb'"\ud83d\ude00"'),  # a pair of surrogates is one character
    ]
    for value in values:
        bank.send(bank.topic("tick"), value)
    assert door("sub", "--feed=tick").counts("read", "loaded") == [6, 6]
    asked = "SELECT symbol, price::text, volume, note FROM tick"
    wanted = [json.loads(value) for value in values]
    texts = {(r["symbol"], r["note"], r["volume"]) for r in wanted}
    assert {(symbol, note, volume) for symbol, _, volume, note in bank.rows(asked)} == texts
    assert bank.value("SELECT max(price)::text FROM tick") == "9999999999999999.99999999"


def test_value__the_same_key_twice_in_a_chunk_keeps_the_later(bank: Bank, door: Door) -> None:
    bank.create("latest", partitions=1)
    bank.respond("latest", [{"symbol": "A", "base_date": f"{DAY}", "price": price} for price in ("1", "3", "2")])
    assert door("sub", "--feed=latest").counts("loaded", "superseded") == [1, 2]
    assert bank.value("SELECT price::text FROM latest") == "2.00000000"
    assert bank.broken("latest") == []


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


# -- a message's headers --

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
    ([("kind", b"empty")], "nothing"),  # a stranger's "empty" may mean anything: its row must not vanish
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
    """`empty` of ours, then an unreadable one, then a stranger's row without headers: that row is not empty."""
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
    """Each message of an answer has one fate, quarantined whole included: what waits for the answer may go on."""
    bank.create("fx", partitions=1)
    headers = [OURS, ("correlation-id", str(correlation("fx", DAY, 1)).encode()), ("count", b"2")]
    good = json.dumps({"base_date": f"{DAY}", "currency": "USD", "rate": "1"}).encode()
    for value in (good, None):
        bank.send(bank.topic("fx"), value, headers=headers)
    assert door("sub", "--feed=fx").counts("loaded", "quarantined") == [1, 1]
    assert bank.rows("SELECT status, settled FROM feedfall.request") == [("complete", 2)]
    assert bank.rows("SELECT correlation_id FROM feedfall.quarantine") == [(correlation("fx", DAY, 1),)]
    assert bank.broken("fx") == []


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


@pytest.mark.parametrize("milliseconds", [1, 2**53, 2**62])  # 1970, the year 287,396, and beyond
def test_time__that_no_calendar_has_is_no_fault_of_the_row(bank: Bank, door: Door, milliseconds: int) -> None:
    bank.create("tick", partitions=1, **{"message.timestamp.after.max.ms": str(2**63 - 1)})
    for value in (tick(), b"not json"):
        bank.send(bank.topic("tick"), value, timestamp=milliseconds)
    done = door("sub", "--feed=tick")
    assert (done.exit, done.counts("loaded", "quarantined")) == (0, [1, 1])
    assert bank.broken("tick") == []


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
        bank_send(bank, [b"?"] * bad)
        assert door("sub", "--feed=tick").exit == 0
    bank_send(bank, [b"?"])
    assert door("sub", "--feed=tick").exit == 65
    assert bank.value("SELECT sum(quarantined) FROM feedfall.span") == 20


def test_budget__comes_back_after_ten_good_spans(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    bank_send(bank, [b"?"] * 20 + [tick()] * 1100 + [b"?"] * 20)  # chunks of a hundred
    done = door("sub", "--feed=tick")
    assert (done.exit, done.counts("loaded", "quarantined")) == (0, [1100, 40])
    assert bank.broken("tick") == []


def test_budget__counts_what_the_database_refuses(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    bank.rows("ALTER TABLE tick ADD CHECK (volume < 100)")
    bank_send(bank, [tick(volume=100)] * 21)
    assert door("sub", "--feed=tick").exit == 65
    assert bank.value("SELECT count(*) FROM feedfall.span") == 0


def bank_send(bank: Bank, values: list[bytes]) -> None:
    for value in values:
        bank.producer.produce(bank.topic("tick"), value)
    bank.producer.flush(10)


def blocked(bank: Bank, feed: str) -> int | None:
    """The exit code that blocks a feed."""
    return next(
        (code for (code,) in bank.rows("SELECT blocked_code FROM feedfall.feed_control WHERE feed = %s", feed)), None
    )


def free(bank: Bank, feed: str) -> None:
    connection = connect(bank.url, "test")
    assert control.free(connection, feed, "test", "repaired")
    connection.commit()
    connection.close()
