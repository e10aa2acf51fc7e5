"""verify: do the books add up? A run-and-finish script like any other; exit 83 says no, and names where.

The deep proof reads the topic again, as far as Kafka still has it, and compares row by row. It moves nothing and needs
no lease: the bounds are fixed first, and a row that a drain replaces meanwhile is found replaced.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ledger import chunk
from ledger import verify as books
from ledger.deep import Comparison
from ledger.errors import translated
from ledger.lease import Lease
from steps.errors import Exit, OffsetGap, Transient
from steps.execution import Execution, Outcome

if TYPE_CHECKING:
    import threading

    from feeds.form import Feed
    from ledger.chunk import Source
    from ledger.database import Connection
    from steps.reread import Rereading
    from steps.settings import Settings


def verify(execution: Execution, feed: Feed) -> Outcome:
    """Prove a feed's ledger."""
    account = books.verify(execution.connection, feed)
    for sentence in account.broken:
        print(f"BROKEN {sentence}", flush=True)  # noqa: T201 -- the pod's log is its desk
    counts = {
        "offsets": sum(line.next_offset - line.first_offset for line in account.lines),
        "rows": sum(line.read for line in account.lines if line.stage == "sub"),
        "skipped": sum(gap.offsets for gap in account.skipped),
        "broken": len(account.broken),
    }
    if account.broken:
        return Outcome("BROKEN", Exit.LEDGER, account.broken[0], counts)
    return Outcome("SUCCEEDED", counts=counts)


def deep(settings: Settings, connection: Connection, feed: Feed, stop: threading.Event) -> books.Account:
    """Prove a feed's ledger, and compare what it loaded with what Kafka still has."""
    from steps.kafka import Cluster  # noqa: PLC0415 -- the shallow proof never pays for Kafka
    from steps.reread import rereading  # noqa: PLC0415 -- likewise

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
    return replace(account, broken=[*account.broken, *broken], depth=depth)


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
            for source in chunk.sources(connection, Lease(0, 0, feed.name, "sub", shard, 0), topic)
        ]
        connection.rollback()
    return found
