"""Prove the ledger: every offset from the first to the checkpoint has one fate, and the rows are really there.

Reads one snapshot, so it may run beside a drain. `Account.broken` lists what does not add up; empty means proven.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.sql import Identifier

from ledger.database import rows
from ledger.errors import translated
from ledger.statements import with_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from feeds.form import Feed
    from ledger.database import Connection


@dataclass(frozen=True)
class Line:
    """One partition's books."""

    stage: str
    topic: str
    partition: int
    first_offset: int
    next_offset: int
    spans: int
    records: int
    absent: int
    read: int
    loaded: int
    superseded: int
    duplicate: int
    quarantined: int
    deferred: int


@dataclass(frozen=True)
class Account:
    """The books of a feed, and the sentences that say where they do not add up."""

    feed: str
    lines: Sequence[Line]
    broken: Sequence[str]


def verify(connection: Connection, feed: Feed) -> Account:
    """Check a feed's whole ledger. Ends its transaction."""
    with translated():
        connection.rollback()
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        books = lines(connection, feed)
        broken = [sentence for check in CHECKS for sentence in check(connection, feed)]
        connection.rollback()
    return Account(feed.name, books, broken)


def lines(connection: Connection, feed: Feed) -> list[Line]:
    """The books, a line a partition."""
    with translated():
        return [Line(*found) for found in rows(connection, "verify.account", feed=feed.name)]


def _gaps(connection: Connection, feed: Feed) -> list[str]:
    return [
        f"{topic}[{partition}]: no span covers the offsets from {low} to {high}"
        for topic, partition, low, high in rows(connection, "verify.gaps", feed=feed.name)
    ]


def _records(connection: Connection, feed: Feed) -> list[str]:
    return [
        f"{topic}[{partition}] [{low}, {high}): {records} records and {absent} absent offsets do not fill the span"
        for topic, partition, low, high, records, absent in rows(connection, "verify.records", feed=feed.name)
    ]


def _absent(connection: Connection, feed: Feed) -> list[str]:
    return [
        f"{topic}[{partition}] [{low}, {high}): {ranges} is booked as absent, where every offset is a record"
        for topic, partition, low, high, ranges in rows(connection, "verify.absent", feed=feed.name)
    ]


def _fates(connection: Connection, feed: Feed) -> list[str]:
    return [
        f"{topic}[{partition}] [{low}, {high}): {read} rows were read and {fates} have a fate"
        for topic, partition, low, high, read, fates in rows(connection, "verify.fates", feed=feed.name)
    ]


def _quarantine(connection: Connection, feed: Feed) -> list[str]:
    return [
        f"{topic}[{partition}] [{low}, {high}): {booked} rows went to quarantine and {there} are there"
        for topic, partition, low, high, booked, there in rows(connection, "verify.quarantine", feed=feed.name)
    ]


def _rows(connection: Connection, feed: Feed) -> list[str]:
    statement = with_names("verify.rows", table=Identifier(feed.table))
    return [
        f"run {run}: the ledger counts {booked} of its rows in {feed.table} and {there} are there"
        for run, booked, there in connection.execute(statement, {"feed": feed.name}).fetchall()
    ]


def _answers(connection: Connection, feed: Feed) -> list[str]:
    return [
        f"answer {correlation} of {day or 'no date'}: its {count} rows should have a fate and {settled} have ({status})"
        for correlation, day, count, settled, status in rows(
            connection, "verify.answers", feed=feed.name, whole=feed.writes_markers
        )
    ]


CHECKS: Sequence[Callable[[Connection, Feed], list[str]]] = (
    _gaps,
    _records,
    _absent,
    _fates,
    _quarantine,
    _rows,
    _answers,
)
