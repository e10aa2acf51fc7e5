"""Prove the ledger: every offset from the first to the checkpoint has one fate, and the rows are really there.

Reads one snapshot, so it may run beside a drain. `Account.broken` lists what does not add up; empty means proven.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.sql import Identifier

from ledger.database import fetch_all, rows
from ledger.errors import translated
from ledger.gap import fetch_accepted
from ledger.request import DeferredCount, WithdrawnCount, count_deferred, count_withdrawn
from ledger.statements import with_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog import Feed
    from ledger.database import Connection
    from ledger.deep import Depth
    from ledger.gap import AcceptedGap


@dataclass(frozen=True)
class Line:
    """One partition, as its spans add up."""

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
    closed: bool
    """Its topic was made anew: another line goes on in its place."""


NOT_DEFERRED, NOT_WITHDRAWN = DeferredCount(0, None), WithdrawnCount(0, 0)


@dataclass(frozen=True)
class Account:
    """A feed's ledger, and the sentences that say where it does not add up."""

    feed: str
    lines: Sequence[Line]
    broken: Sequence[str]
    skipped: Sequence[AcceptedGap] = ()
    """Offsets that Kafka lost, and who accepted it."""
    depth: Depth | None = None
    """How far it was compared with Kafka; None: not at all."""
    deferred: DeferredCount = NOT_DEFERRED
    """Requests that relay sends again later."""
    withdrawn: WithdrawnCount = NOT_WITHDRAWN
    """Requests that a person took back."""


def verify(connection: Connection, feed: Feed) -> Account:
    """Check a feed's whole ledger. Ends its transaction."""
    with translated():
        connection.rollback()
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        partitions, skipped = lines(connection, feed), fetch_accepted(connection, feed.name)
        broken, deferred = list(_broken(connection, feed)), count_deferred(connection, feed.name)
        withdrawn = count_withdrawn(connection, feed.name)
        connection.rollback()
    return Account(feed.name, partitions, broken, skipped, deferred=deferred, withdrawn=withdrawn)


def lines(connection: Connection, feed: Feed) -> list[Line]:
    """The ledger, a line a partition."""
    with translated():
        return fetch_all(connection, Line, "verify.account", feed=feed.name)


def rows_off(connection: Connection, feed: Feed) -> list[tuple[int, int, int]]:
    """(run, rows of it that the ledger counts, rows of it in the table), where the two differ."""
    statement = with_names("verify.rows", table=Identifier(feed.table))
    return connection.execute(statement, {"feed": feed.name}).fetchall()


def beside_kafka(connection: Connection, feed: Feed, topic: str, topic_id: str, cluster_id: str | None) -> list[str]:
    """For the deep proof: the run that each row names, one look-up a row; and sources closed for no reason."""
    lineage = with_names("verify.lineage", table=Identifier(feed.table))
    with translated():
        moved = connection.execute(lineage, {"feed": feed.name}).fetchall()
        where = {"topic": topic, "topic_id": topic_id, "cluster_id": cluster_id}
        alive = rows(connection, "verify.alive", feed=feed.name, **where)
        connection.rollback()
    return [LINEAGE.format(*line) for line in moved] + [ALIVE.format(*line) for line in alive]


#: What `verify.lineage` finds, in words.
LINEAGE = "{}[{}]@{} row {}: it names run {}, and run {} loaded it ({} such rows)"
#: And `verify.alive`.
ALIVE = "{}[{}]: its source was closed at {}, and Kafka still has that topic"


def _broken(connection: Connection, feed: Feed) -> Iterator[str]:
    values = {"feed": feed.name, "whole": feed.writes_markers, "relayed": feed.partner is not None}
    for name, sentence in SENTENCES.items():
        statement = with_names(f"verify.{name}", table=Identifier(feed.table))
        for found in connection.execute(statement, values).fetchall():
            yield sentence.format(*found)


#: What each check of verify.sql finds, in words.
SENTENCES = {
    "gaps": "{}[{}]: no span covers the offsets from {} to {}",
    "records": "{}[{}] [{}, {}): {} records and {} absent offsets do not fill the span",
    "absent": "{}[{}] [{}, {}): {} is recorded as absent, where every offset is a record",
    "skipped": "{}[{}] [{}, {}): accepted as lost, and no span says so",
    "fates": "{}[{}] [{}, {}): {} rows were read and {} have a fate",
    "quarantine": "{}[{}] [{}, {}): {} rows went to quarantine and {} are there",
    "parts": "{}[{}]@{}: the message was split into {} rows and {} are there",
    "stray": "{}[{}]@{} row {}: an entry of quarantine that belongs to no message that was read",
    "twice": "{}[{}]: {} sources read it at once",
    "closed": "{}[{}]: its source was closed at {}, and nobody accepted that the topic was made anew",
    "rows": "run {}: the ledger counts {} of its rows in the table and {} are there",
    "more": "{} rows belong to answers, and {} were read",
    "unfounded": "answer {} of {} is {}, and no message said so",
    "answers": "answer {} of {}: its {} rows should have a fate and {} have ({})",
    "timeless": "request {} of {} was deferred {} times, and nothing says until when",
    "vanished": "{} requests were deferred when they were read, and the ledger has {}",
    "taken_back": "request {} of {} is withdrawn, and the journal does not say by whom",
    "left_open": "batch {} is open, though batch {} came after it",
    "disowned": "batch {} says that {} was answered, and its request says otherwise",
    "doubled": "request {} was answered by {} batches, {} and {}",
}
