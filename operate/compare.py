"""`verify --deep`: reads the topic again, as far as Kafka still has it, and compares row by row.

It moves nothing and needs no lease: the bounds are fixed first, and a row that a drain replaces meanwhile is found
replaced.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ledger import chunk, verify
from ledger.deep import Comparison
from ledger.errors import translated
from ledger.key import LeaseKey
from operate.reread import open_rereading
from steps.drain.kafka import Cluster
from steps.run.exits import OffsetGap, Transient

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from catalog import Feed
    from ledger.chunk import Source
    from ledger.database import Connection
    from operate.reread import Rereading
    from steps.drain.kafka import Watermarks
    from steps.run.settings import Settings


def deep(settings: Settings, connection: Connection, feed: Feed, stop: threading.Event) -> verify.Account:
    """Prove a feed's ledger, and compare what it loaded with what Kafka still has."""
    cluster = Cluster(settings)
    topic = cluster.topic(feed.topic("response", settings.topic_prefix))
    known = _sources(connection, feed, topic.name)
    there = {each.partition: each for each in known if topic.is_that(each.topic_id, each.cluster_id)}
    found = cluster.watermarks(topic, list(there)) if there else {}
    start, ends = _bounds(there, found)
    again = open_rereading(settings, feed, there, stop)
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
    account = verify.verify(connection, feed)
    closed = sum(line.next_offset - line.first_offset for line in account.lines if line.closed and line.stage == "sub")
    recorded = closed + sum(each.next_offset - each.first_offset for each in known)
    broken, depth = comparison.compare(recorded - sum(ends[each] - start[each] for each in ends))
    beside = verify.beside_kafka(connection, feed, topic.name, topic.id, topic.cluster_id)
    more = [*_cut(topic.name, there, found), *beside, *broken]
    return replace(account, broken=[*account.broken, *more], depth=depth)


def _bounds(there: Mapping[int, Source], found: Mapping[int, Watermarks]) -> tuple[dict[int, int], dict[int, int]]:
    """Partition → where to begin and where to end: what was recorded, as far as Kafka still has it."""
    start = {partition: max(each.first_offset, found[partition].low) for partition, each in there.items()}
    reached = {partition: min(each.next_offset, found[partition].last_stable) for partition, each in there.items()}
    return start, {partition: max(end, start[partition]) for partition, end in reached.items()}


def _cut(topic: str, there: Mapping[int, Source], found: Mapping[int, Watermarks]) -> list[str]:
    """The partitions that end before their checkpoint: nobody can read what was recorded of them."""
    return [
        f"{topic}[{partition}]: recorded up to offset {each.next_offset - 1:,}, and the topic ends at "
        f"{found[partition].high:,}: it has lost its end"
        for partition, each in there.items()
        if each.next_offset > found[partition].high
    ]


def _read(again: Rereading, comparison: Comparison, start: dict[int, int], ends: dict[int, int]) -> None:
    for part in again.chunks(start, ends):
        by_database = map(again.entry, comparison.take(part.spans, part.blocks))
        comparison.refuse((each.source, each.offset, each.row) for each in [*part.refused, *by_database])


def _sources(connection: Connection, feed: Feed, topic: str) -> list[Source]:
    with translated():
        found = chunk.sources(connection, LeaseKey(feed.name, "sub"), topic)
        connection.rollback()
    return found
