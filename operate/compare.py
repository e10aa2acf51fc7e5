"""`verify --deep`: reads the topic again, as far as Kafka still has it, and compares row by row.

It moves nothing and needs no lease: the bounds are fixed first, and a row that a drain replaces meanwhile is found
replaced.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ledger import chunk
from ledger import verify as books
from ledger.deep import Comparison
from ledger.errors import translated
from ledger.key import LeaseKey
from operate.reread import rereading
from steps.drain.kafka import Cluster
from steps.run.exits import OffsetGap, Transient

if TYPE_CHECKING:
    import threading

    from catalog import Feed
    from ledger.chunk import Source
    from ledger.database import Connection
    from operate.reread import Rereading
    from steps.run.settings import Settings


def deep(settings: Settings, connection: Connection, feed: Feed, stop: threading.Event) -> books.Account:
    """Prove a feed's ledger, and compare what it loaded with what Kafka still has."""
    cluster = Cluster(settings)
    topic = cluster.topic(feed.topic("response", settings.topic_prefix))
    known = _sources(connection, feed, topic.name)
    there = {each.partition: each for each in known if each.topic_id == topic.id}
    low = {partition: end.low for partition, end in (cluster.ends(topic, list(there)) if there else {}).items()}
    start = {partition: max(each.first_offset, low[partition]) for partition, each in there.items()}
    ends = {partition: max(each.next_offset, start[partition]) for partition, each in there.items()}
    again = rereading(settings, feed, there, stop)
    comparison = Comparison(connection, feed)
    comparison.begin()
    try:
        _read(again, comparison, start, ends)
    except OffsetGap as error:
        raise Transient(f"Kafka deleted what was being compared (retention): {error}. Try again") from error
    finally:
        again.reader.close()
    if stop.is_set():
        raise Transient("stopped by a signal before all was compared")
    account = books.verify(connection, feed)
    closed = sum(line.next_offset - line.first_offset for line in account.lines if line.closed and line.stage == "sub")
    settled = closed + sum(each.next_offset - each.first_offset for each in known)
    broken, depth = comparison.compare(settled - sum(ends[each] - start[each] for each in ends))
    beside = books.beside_kafka(connection, feed, topic.name, topic.id)
    return replace(account, broken=[*account.broken, *beside, *broken], depth=depth)


def _read(again: Rereading, comparison: Comparison, start: dict[int, int], ends: dict[int, int]) -> None:
    for intake, passage in again.passages(start, ends):
        for _ in passage.blocks(intake):
            pass
        for refused in comparison.take(intake.taken(), passage.kept_blocks):
            passage.refuse(refused)
        comparison.refuse((each.source, each.offset, each.row) for each in passage.unread)


def _sources(connection: Connection, feed: Feed, topic: str) -> list[Source]:
    with translated():
        found = [
            source
            for shard in range(feed.shards)
            for source in chunk.sources(connection, LeaseKey(feed.name, "sub", shard), topic)
        ]
        connection.rollback()
    return found
