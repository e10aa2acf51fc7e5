"""Whose rows an answer's rows are: counted once, counted as repeated, and never another feed's."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from typer.testing import CliRunner

from bank import PACKAGES, Bank, Door
from catalog import find
from catalog.message import correlation
from catalog.partner import Request
from cli.__main__ import app
from ledger import chunk, lease, request, run
from ledger.chunk import ResponseTally
from ledger.database import connect
from ledger.errors import Misconfigured
from ledger.key import LeaseKey
from ledger.verify import verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ledger.database import Connection

DAY = date(2026, 10, 30)
ID = UUID(int=7)


@pytest.fixture
def database(bank: Bank) -> Iterator[Connection]:
    with closing(connect(bank.url, "test")) as connection:
        yield connection


def record(connection: Connection, feed: str, *settled: int, count: int | None = 12) -> None:
    """Chunks of a feed's sub, each with so many rows of the answer."""
    key = LeaseKey(feed, "sub")
    held = lease.take(connection, key, [0], run_id=run.start(connection, key, "a", "a"))
    assert held
    for rows in settled:
        chunk.record_answers(connection, held, {ID: ResponseTally(DAY, 1, "row", None, count, rows)})
    connection.commit()


CHUNKS = [
    ([12], (12, 0, "complete")),
    ([5, 7], (12, 0, "complete")),
    ([5], (5, 0, "answered")),
    ([24], (12, 12, "complete")),  # the answer twice in one chunk
    ([12, 12], (12, 12, "complete")),
    ([5, 12, 7], (12, 12, "complete")),  # the end of one and the beginning of the next
    ([12, 5], (12, 5, "complete")),
    ([12, 12, 12], (12, 24, "complete")),
]


@pytest.mark.parametrize(("settled", "counted"), CHUNKS, ids=[str(each) for each, _ in CHUNKS])
def test_answer__rows_beyond_its_count_are_repeated(
    bank: Bank, database: Connection, settled: Sequence[int], counted: tuple[int, int, str]
) -> None:
    record(database, "latest", *settled)
    assert bank.rows("SELECT settled, repeated, status FROM feedfall.request") == [counted]


def test_answer__without_a_count_is_never_repeated(bank: Bank, database: Connection) -> None:
    record(database, "latest", 5, 7, count=None)
    assert bank.rows("SELECT settled, repeated, status FROM feedfall.request") == [(12, 0, "answered")]


@pytest.mark.parametrize("runs", [1, 2])
def test_verify__an_answer_that_its_publisher_repeats_is_no_fault(
    bank: Bank, door: Door, database: Connection, runs: int
) -> None:
    """As its publisher is advised after a topic was made anew: its rows are duplicates, and the ledger adds up."""
    feed = replace(find.load("latest", PACKAGES), transactional=True)
    bank.create("latest", partitions=1)
    rows = [{"symbol": each, "base_date": DAY.isoformat(), "price": "1"} for each in "ABC"]
    for number in range(2):
        bank.respond("latest", rows, DAY)
        if number >= 2 - runs:
            assert door("sub", "--feed=latest").status == "SUCCEEDED"
    assert bank.rows("SELECT settled, repeated, status FROM feedfall.request") == [(3, 3, "complete")]
    assert list(verify(database, feed).broken) == []


def test_verify__an_answer_that_relay_gave_twice_is_one(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    for _ in range(2):
        bank.respond("fx", [{"base_date": DAY.isoformat(), "currency": "USD", "rate": "1"}], DAY)
    door("sub", "--feed=fx")
    [sentence] = bank.broken("fx")
    assert "its 1 rows should have a fate and 2 have (complete)" in sentence


def test_accept_repeat__is_a_decision_about_these_rows_alone(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    row, known = {"base_date": DAY.isoformat(), "currency": "USD", "rate": "1"}, str(correlation("fx", DAY, 1))
    for times in (2, 1):
        for _ in range(times):
            bank.respond("fx", [row], DAY)
        door("sub", "--feed=fx")
        assert door("verify", "--feed=fx").exit == 83
        accept = ["accept-repeat", "fx", known, "--reason=the backup of Monday", "--by=kim"]
        done = CliRunner().invoke(app, accept, env=bank.environ, catch_exceptions=False)
        assert f"Accepted: {4 - times} rows of answer {known}, which has 1." in done.stdout
        assert (door("verify", "--feed=fx").exit, bank.broken("fx")) == (0, [])
    said = bank.rows(
        "SELECT who, reason, detail FROM feedfall.journal WHERE verb = 'accept-repeat' AND phase = 'done' ORDER BY id"
    )
    assert said == [("kim", "the backup of Monday", {"correlation_id": known, "rows": rows}) for rows in (2, 3)]


def test_accept_repeat__refuses_an_answer_that_was_given_once(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    bank.respond("fx", [{"base_date": DAY.isoformat(), "currency": "USD", "rate": "1"}], DAY)
    door("sub", "--feed=fx")
    known = str(correlation("fx", DAY, 1))
    with pytest.raises(Misconfigured, match=f"no answer {known} of fx was given twice"):
        CliRunner().invoke(app, ["accept-repeat", "fx", known, "--reason=x"], env=bank.environ, catch_exceptions=False)
    assert bank.value("SELECT count(*) FROM feedfall.journal WHERE verb = 'accept-repeat' AND phase = 'done'") == 0


def test_answer__of_another_feed_under_the_same_id_changes_nothing(bank: Bank, database: Connection) -> None:
    record(database, "latest", 12)
    record(database, "tick", 5, count=5)
    database.rollback()
    assert bank.rows("SELECT feed, count, settled, repeated FROM feedfall.request") == [("latest", 12, 12, 0)]
    assert verify(database, find.load("tick", PACKAGES)).broken == []


def test_request__under_the_id_of_another_feed_is_not_taken_over(bank: Bank, database: Connection) -> None:
    record(database, "latest", 12)
    theirs = Request(ID, DAY)
    request.record_answered(database, "tick", [(theirs, 99)])
    database.commit()
    request.record_requests(database, "tick", [theirs])
    assert bank.rows("SELECT feed, count, ordered FROM feedfall.request") == [("latest", 12, False)]
