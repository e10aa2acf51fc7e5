"""What a log may hold that we never write: header names that are not UTF-8, batches that unpack to gigabytes."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from bank import ROOT
from catalog import Envelope
from catalog.message import correlation
from cli.__main__ import app
from raw_produce import GZIP, batch, gzipped, produce, record

if TYPE_CHECKING:
    from bank import Bank, Door

LATIN = "größe".encode("latin-1")
DAY = date(2026, 10, 30)


def tick(number: int) -> bytes:
    return json.dumps({"symbol": f"S{number}", "price": "1", "volume": number, "note": None}).encode()


def feedfall(bank: Bank, *words: str) -> Any:  # noqa: ANN401 -- as JSON
    done = CliRunner().invoke(app, [*words, "--json"], env=bank.environ)
    return done.exit_code, json.loads(done.stdout)


@pytest.fixture
def latin(bank: Bank) -> Bank:
    """Three messages; the header of the middle one has a name that is not UTF-8, between two that are."""
    bank.create("tick", partitions=1)
    named = [(b"a", b"1"), (LATIN, b"\xff"), (b"b", b"2")]
    produce(
        bank.kafka, bank.topic("tick"), batch([record(n, tick(n), headers=named if n == 1 else []) for n in range(3)])
    )
    return bank


@pytest.mark.parametrize("way", ["process", "door"])
def test_header_name__not_utf8_is_quarantined_with_its_message(latin: Bank, door: Door, way: str) -> None:
    done = door("sub", "--feed=tick") if way == "door" else latin.step("sub", "--feed=tick")
    assert (done.exit, done.counts("read", "loaded", "quarantined")) == (0, [3, 2, 1])
    [(offset, row, reason, value, headers)] = latin.rows(
        'SELECT "offset", row, reason, value, headers FROM feedfall.quarantine'
    )
    assert (offset, row, "header 2 has a name that is not UTF-8" in reason, value) == (1, -1, True, tick(1))
    assert headers == [b"a", b"1", b"b", b"2"]
    assert latin.broken("tick") == []


def test_header_name__a_message_with_the_same_other_headers_is_no_company(bank: Bank, door: Door) -> None:
    """Messages are told apart by their headers: what is left of the unreadable ones must not look like another's."""
    bank.create("tick", partitions=1)
    named = [(b"a", b"1")]
    records = [record(n, tick(n), headers=[*named, (LATIN, b"")] if n == 1 else named) for n in range(3)]
    produce(bank.kafka, bank.topic("tick"), batch(records))
    assert door("sub", "--feed=tick").counts("loaded", "quarantined") == [2, 1]


def test_header_name__the_only_one_of_its_message(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    produce(bank.kafka, bank.topic("tick"), batch([record(0, tick(0), headers=[(LATIN, b"1")])]))
    assert door("sub", "--feed=tick").counts("loaded", "quarantined") == [0, 1]
    assert bank.rows("SELECT headers FROM feedfall.quarantine") == [([],)]


def test_header_name__redriven_it_goes_in_by_its_other_headers(latin: Bank, door: Door) -> None:
    door("sub", "--feed=tick")
    code, _ = feedfall(latin, "quarantine", "redrive", "tick", "--all", "--reason=a C client", "--by=kim")
    assert (code, latin.value("SELECT count(*) FROM tick")) == (0, 3)
    assert latin.broken("tick") == []


def test_header_name__a_deep_comparison_reads_it_as_safely(latin: Bank, door: Door) -> None:
    door("sub", "--feed=tick")
    code, found = feedfall(latin, "verify", "tick", "--deep")
    assert (code, found["broken"], found["depth"]["offsets"]) == (0, [], 3)


def test_header_name__a_replay_reads_it_as_safely(latin: Bank, door: Door) -> None:
    door("sub", "--feed=tick")
    latin.rows("DELETE FROM tick WHERE volume = 2")
    where = f"{latin.topic('tick')}/0:0-2"
    code, _ = feedfall(latin, "replay", "tick", "--offsets", where, "--reason=lost", "--by=kim")
    assert (code, latin.rows("SELECT volume FROM tick ORDER BY 1")) == (0, [(0,), (2,)])


@pytest.mark.parametrize("way", ["process", "door"])
def test_header_name__a_request_of_it_is_quarantined(bank: Bank, door: Door, way: str) -> None:
    bank.create("fx", partitions=1)
    headers = [(name.encode(), value) for name, value in Envelope(correlation("fx", DAY, 1), DAY, 1).headers()]
    produce(bank.kafka, bank.topic("fx", "request"), batch([record(0, b"{}", headers=[*headers, (LATIN, b"")])]))
    done = door("relay", "--feed=fx") if way == "door" else bank.step("relay", "--feed=fx")
    assert (done.exit, done.counts("read", "quarantined")) == (0, [1, 1])
    assert "is not UTF-8" in bank.value("SELECT reason FROM feedfall.quarantine")
    assert bank.broken("fx") == []


#: A stage in a process that says at its end how much memory it has had at most. VmHWM is this program's alone.
MEASURED = """
import sys
from steps.__main__ import main
code = main(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(code)
"""
MESSAGES, SIZE = 150, 5_000_000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much memory a program has had")
@pytest.mark.parametrize(
    ("junk", "count", "code", "says"),
    [
        (False, MESSAGES, 0, f" loaded={MESSAGES} "),
        (True, 20, 65, "bytes of bad rows"),  # the budget of bytes ends it, before the database has them
    ],
)
def test_batches__small_on_the_broker_and_huge_in_memory(
    bank: Bank,
    junk: bool,  # noqa: FBT001 -- a table
    count: int,
    code: int,
    says: str,
) -> None:
    """Promise: a pod's memory follows from its settings, not from its sender: 750 MB come as 746 kB."""
    bank.create("tick", partitions=1)
    for number in range(count):
        wide = [record(0, (b"no row" if junk else tick(number)).ljust(SIZE))]
        packed = batch(wide, GZIP, gzipped(wide))
        assert len(packed) < 6_000
        produce(bank.kafka, bank.topic("tick"), packed)
    command = [sys.executable, "-c", MEASURED, "sub", "--feed=tick"]
    done = subprocess.run(command, env=bank.environment(), capture_output=True, text=True, cwd=ROOT, check=False)
    print(done.stdout, done.stderr)
    assert (done.returncode, says in done.stdout) == (code, True)
    assert int(done.stdout.split("VmHWM:")[1].split()[0]) < 256 * 1024
    assert bank.broken("tick") == []
