"""A batch: the answers of one Kafka transaction of relay, recorded before it begins. Called by relay.

open (committed) ──▶ Kafka's transaction ──▶ close, with the answers that are visible, in the chunk's own transaction
   └ the run died: its successor ends that transaction, looks in Kafka, and closes it
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from ledger.database import Connection, fetch_all, maybe, one, rows, run
from ledger.errors import LedgerBroken, translated
from ledger.lease import Lease


@dataclass(frozen=True)
class Batch:
    """A batch that is open. `ends`: of the response topic when it was opened, by partition from 0."""

    id: int
    transactional_id: str
    topic: str
    topic_id: str
    ends: Sequence[int]
    ids: Sequence[UUID]


def open_batch(
    connection: Connection,
    lease: Lease,
    transactional_id: str,
    topic: str,
    topic_id: str,
    ends: Sequence[int],
    ids: Sequence[UUID],
) -> Batch:
    """Record what a Kafka transaction is going to carry. The caller has guarded, and commits."""
    about = {"transactional_id": transactional_id, "topic": topic, "topic_id": topic_id, "ends": list(ends)}
    key = lease.key
    number = one(connection, "batch.open", feed=key.feed, run=lease.run, ids=list(ids), **about)[0]
    return Batch(number, transactional_id, topic, topic_id, ends, ids)


def fetch_open(connection: Connection, lease: Lease) -> list[Batch]:
    """Batches that earlier runs left open. Ends its transaction."""
    with translated():
        found = fetch_all(connection, Batch, "batch.left_open", feed=lease.key.feed)
        connection.rollback()
    return found


def fetch_transactional_ids(connection: Connection, feed: str) -> set[str]:
    """Under which ids this ledger's relays of a feed have written. Ends its transaction."""
    with translated():
        found = {name for (name,) in rows(connection, "batch.transactional_ids", feed=feed)}
        connection.rollback()
    return found


def close_batch(connection: Connection, lease: Lease, batch: Batch, answered: Collection[UUID]) -> None:
    """Record which of its answers are visible. The caller commits."""
    if run(connection, "batch.close", id=batch.id, answered=list(answered), run=lease.run) != 1:
        raise LedgerBroken(
            f"batch {batch.id} of {lease.key} was closed by another run: `feedfall verify` looks further"
        )


def known_to(connection: Connection, feed: str, topic: str, topic_id: str) -> dict[int, int]:
    """Partition → up to which offset the ledger knows every answer: relay's batches began there, or sub has been there.

    Ends its transaction.
    """
    with translated():
        last = maybe(connection, "batch.last", feed=feed)
        loaded = dict(rows(connection, "batch.loaded_to", feed=feed, topic=topic, topic_id=topic_id))
        connection.rollback()
    ends = dict(enumerate(last[2])) if last and last[:2] == (topic, topic_id) else {}
    return {partition: max(ends.get(partition, 0), loaded.get(partition, 0)) for partition in {*ends, *loaded}}
