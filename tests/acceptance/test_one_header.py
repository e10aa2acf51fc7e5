"""The one header `feedfall`, and the six that it replaced: written by the rule of the schema, read in both forms."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from bank import Bank, Door, committed
from catalog import Envelope
from catalog.message import correlation
from cli.__main__ import app
from ledger.database import ONE_HEADER
from quarantine_command import BAD, GOOD
from raw_produce import batch, produce, record
from ticks import tick

if TYPE_CHECKING:
    from collections.abc import Callable

    from bank import Ended

    Write = Callable[[Envelope], list[tuple[str, bytes]]]
    Header = tuple[str, bytes | None]

DAY = date(2026, 10, 30)
GOOD_FRIDAY = date(2026, 4, 3)
OURS = ("schema", b"feedfall/1")
KNOWN = UUID("11111111-2222-3333-4444-555555555555")
ONE = f"1;{KNOWN};2026-10-30;1;row;;".encode()
SIX = Envelope(KNOWN, DAY, 1).six_headers()
FORMS = [Envelope.headers, Envelope.six_headers]
WHY = ("--reason=a test", "--by=kim")

both_forms = pytest.mark.parametrize("write", FORMS, ids=["one header", "six"])

HEADERS: list[tuple[list[Header], str]] = [
    ([("feedfall", ONE)], ""),
    ([("feedfall", b"1;;;;;;")], ""),
    ([("feedfall", b"1;;;;;;a;reason;with;more")], ""),
    ([("feedfall", ONE), ("traceparent", b"00-1"), ("", b"\xff"), ("x", None)], ""),
    ([("feedfall", ONE), *SIX], ""),  # both, and they agree
    ([("feedfall", ONE), ("correlation-id", b"another program's"), ("seq", b"9")], ""),
    ([("Feedfall", b"somebody else's")], ""),
    ([("feedfall", ONE), ("seq", b"2"), OURS], "header feedfall says seq 1, another header says 2"),
    ([OURS, ("kind", b"empty"), ("feedfall", ONE)], "header feedfall says kind row, another header says empty"),
    ([OURS, ("count", b"many"), ("feedfall", ONE)], "header count is b'many'"),
    ([("feedfall", ONE), ("feedfall", ONE)], "header feedfall has 2 values: a message has one"),
    ([("feedfall", None)], "header feedfall has no value"),
    ([("feedfall", b"")], "header feedfall has version ''"),
    ([("feedfall", b"2;" + ONE[2:] + b"new")], "header feedfall has version '2', and this image reads 1"),
    ([("feedfall", ONE[:30])], "header feedfall ends after 1 of 6 fields"),
    ([("feedfall", ONE[:-1])], "header feedfall ends after 5 of 6 fields"),
    ([("feedfall", ONE + b"\xff\xfe")], "header feedfall is not UTF-8"),
    ([("feedfall", ONE + b"a\x00b")], "header feedfall has a NUL"),
    ([("feedfall", b"\x00")], "header feedfall has a NUL"),
    ([("feedfall", ONE + b"x" * 900_000)], f"header feedfall has {len(ONE) + 900_000:,} bytes, and 4,096 are allowed"),
    ([("feedfall", b"1;abc;;;;;")], "header feedfall, correlation-id is 'abc'"),
    ([("feedfall", b"1;;2026-02-31;;;;")], "header feedfall, base-date is '2026-02-31'"),
    ([("feedfall", b"1;;;one;;;")], "header feedfall, seq is 'one'"),
    ([("feedfall", b"1;;;;rows;;")], "header feedfall, kind is 'rows'"),
    ([("feedfall", b"1;;;;;-1;")], "header feedfall, count is '-1'"),
]


def test_one_header__what_cannot_be_read_is_quarantined_whole_with_its_reason(bank: Bank, door: Door) -> None:
    """Promise: no header ends a run."""
    bank.create("tick", partitions=1)
    for number, (headers, _) in enumerate(HEADERS):
        bank.send(bank.topic("tick"), tick(volume=number), headers=headers)
    done = door("sub", "--feed=tick")
    bad = [(number, -1, reason) for number, (_, reason) in enumerate(HEADERS) if reason]
    assert (done.exit, done.counts("loaded", "quarantined")) == (0, [len(HEADERS) - len(bad), len(bad)])
    found = bank.rows('SELECT "offset"::int, row, reason FROM feedfall.quarantine ORDER BY 1')
    assert [(at, row, wanted in reason) for (at, row, reason), (_, _, wanted) in zip(found, bad, strict=True)] == [
        (at, row, True) for at, row, _ in bad
    ]
    assert bank.broken("tick") == []


def test_one_header__of_an_outside_message(bank: Bank, door: Door) -> None:
    """Its rows count for the response that the header names; where it cannot be read, none of them is loaded."""
    bank.create("brief", partitions=1)
    for symbol, header in (("A", b"1;%s;;7;row;1;" % str(KNOWN).encode()), ("B", b"2;new"), ("C", b"1;;;8;;;")):
        bank.send(
            bank.topic("brief"), b'[{"symbol":"%s","volume":1}]' % symbol.encode(), headers=[("feedfall", header)]
        )
    assert door("sub", "--feed=brief").counts("loaded", "quarantined") == [2, 1]
    assert bank.rows("SELECT symbol, _seq FROM brief ORDER BY 1") == [("A", 7), ("C", 8)]
    assert bank.rows("SELECT row FROM feedfall.quarantine") == [(-1,)]
    assert bank.rows("SELECT settled, status FROM feedfall.request") == [(1, "complete")]
    assert bank.broken("brief") == []


def test_one_header__of_a_megabyte(bank: Bank, door: Door) -> None:
    """More than a producer of ours sends, and as much as a broker that allows it takes."""
    bank.create("tick", partitions=1, **{"max.message.bytes": "4000000"})
    headers = [(b"feedfall", ONE + b"x" * 2**20)]
    produce(bank.kafka, bank.topic("tick"), batch([record(0, tick(), headers=headers), record(1, tick())]))
    assert door("sub", "--feed=tick").counts("loaded", "quarantined") == [1, 1]
    assert bank.broken("tick") == []


def test_one_header__of_one_message_says_nothing_about_the_next(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    for headers in ([("feedfall", b"1;;;7;empty;;")], [("feedfall", b"1;;;7;")], [], [("feedfall", b"1;;;8;;;")]):
        bank.send(bank.topic("tick"), tick(), headers=headers)
    assert door("sub", "--feed=tick").counts("loaded", "quarantined") == [2, 1]
    assert bank.rows("SELECT _seq FROM tick ORDER BY 1") == [(0,), (8,)]


@pytest.mark.parametrize(
    "headers", [[("feedfall", b"2;x")], [("feedfall", ONE), ("feedfall", ONE)], [("feedfall", ONE), *SIX[:1], OURS]]
)
def test_one_header__of_a_request(bank: Bank, door: Door, relay: Callable[..., Ended], headers: list[Header]) -> None:
    """A request whose header cannot be read is quarantined, though its body could be read; one that can is answered."""
    bank.send(bank.topic("fx", "request"), b"{}", headers=headers, partition=0)
    bad = headers[0][1] == b"2;x" or len(headers) == 2
    assert relay().counts("read", "loaded", "quarantined") == ([1, 0, 1] if bad else [1, 1, 0])
    assert bank.broken("fx") == []


# -- both forms, wherever a message is read again --


def feedfall(bank: Bank, *words: str) -> Any:  # noqa: ANN401 -- as JSON
    done = CliRunner().invoke(app, [*words, "--json"], env=bank.environ, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@both_forms
def test_both_forms__load_redrive_show_replay_and_compare_alike(bank: Bank, door: Door, write: Write) -> None:
    bank.create("fx", partitions=1)
    bank.respond("fx", [{**GOOD, "currency": "USD"}, BAD], DAY, seq=2, write=write)
    assert door("sub", "--feed=fx").counts("loaded", "quarantined") == [1, 1]
    assert bank.rows("SELECT status, settled, count FROM feedfall.request") == [("complete", 2, 2)]
    shown = feedfall(bank, "quarantine", "show", "fx", "0@1")
    says = {"correlation-id": str(correlation("fx", DAY, 2)), "base-date": f"{DAY}", "seq": "2", "kind": "row"}
    assert shown["envelope"] == {**says, "count": "2"}
    assert feedfall(bank, "verify", "fx", "--deep")["broken"] == []
    bank.rows("DELETE FROM fx_rate")
    feedfall(bank, "replay", "fx", "--offsets", f"{bank.topic('fx')}/0:0-1", *WHY)
    assert bank.rows("SELECT currency, _seq FROM fx_rate") == [("USD", 2)]
    assert bank.broken("fx") == []


@both_forms
def test_both_forms__a_message_quarantined_whole_is_redriven_with_its_envelope(
    bank: Bank, door: Door, write: Write
) -> None:
    """Its rows count for the response that its header names."""
    bank.create("fx", partitions=1)
    known = correlation("fx", DAY, 3)
    headers = [(name.encode(), value) for name, value in write(Envelope(known, DAY, 3, count=1))]
    rows = json.dumps({**GOOD, "currency": "USD"}).encode()
    produce(bank.kafka, bank.topic("fx"), batch([record(0, rows, headers=[*headers, (b"gr\xf6\xdfe", b"")])]))
    assert door("sub", "--feed=fx").counts("loaded", "quarantined") == [0, 1]
    feedfall(bank, "quarantine", "redrive", "fx", "0@0", *WHY)
    assert bank.rows("SELECT currency, _seq FROM fx_rate") == [("USD", 3)]
    assert bank.rows("SELECT correlation_id, status, settled FROM feedfall.request") == [(known, "complete", 1)]
    assert bank.broken("fx") == []


def test_show__says_why_headers_cannot_be_read(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    bank.send(bank.topic("tick"), tick(), headers=[("feedfall", b"2;new")])
    door("sub", "--feed=tick")
    shown = feedfall(bank, "quarantine", "show", "tick", "0@0")
    assert "version '2'" in shown["envelope"]["unreadable"]
    assert shown["headers"] == [["feedfall", "2;new"]]


# -- what pub and relay write --


def written(bank: Bank, door: Door, relay: Callable[..., Ended]) -> set[tuple[str, ...]]:
    """The names of the headers of a request and of all that relay writes: rows, and an empty answer."""
    for day in (DAY, GOOD_FRIDAY):
        assert door("pub", "--feed=fx", f"--base-date={day}", "--policy=OrderAnyway").exit == 0
    assert relay().counts("loaded") == [2]
    messages = [*committed(bank, bank.topic("fx", "request")), *committed(bank, bank.topic("fx"))]
    assert {Envelope.of(each.headers()).base_date for each in messages} == {DAY, GOOD_FRIDAY}
    return {tuple(name for name, _ in each.headers() or []) for each in messages}


def test_writing__one_header_where_the_schema_serves_no_older_code(
    bank: Bank, door: Door, relay: Callable[..., Ended]
) -> None:
    assert written(bank, door, relay) == {("feedfall",)}
    assert door("sub", "--feed=fx").words["quarantined"] == "0"
    assert bank.rows("SELECT DISTINCT status FROM feedfall.request ORDER BY 1") == [("complete",), ("empty",)]


def test_writing__six_while_the_schema_serves_code_that_cannot_read_one(
    bank: Bank, door: Door, relay: Callable[..., Ended]
) -> None:
    bank.rows("UPDATE feedfall.schema SET oldest_code = %s", ONE_HEADER - 1)
    assert all("feedfall" not in names and "schema" in names for names in written(bank, door, relay))


@pytest.mark.parametrize(("age", "six"), [("1 hour", True), ("25 hours", False)])
def test_writing__six_while_a_run_of_older_code_is_still_at_work(
    bank: Bank,
    door: Door,
    relay: Callable[..., Ended],
    age: str,
    six: bool,  # noqa: FBT001 -- a table
) -> None:
    """It began before the schema was raised. One that was killed, and has no successor, counts for a day."""
    bank.rows(
        "INSERT INTO feedfall.run (feed, stage, uid, name, code, started_at, status)"
        " VALUES ('fx', 'release', 'old', 'old', %s, now() - %s::interval, 'RUNNING')",
        ONE_HEADER - 1,
        age,
    )
    assert (("feedfall",) not in written(bank, door, relay)) is six
