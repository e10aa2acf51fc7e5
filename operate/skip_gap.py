"""skip-gap: a person accepts that Kafka lost offsets before they were read, and the feed goes on after them.

checkpoint ──▶ is it the topic that was read? ─ no ─▶ its source is closed; the new topic is read from its beginning
               is the low watermark beyond? ── yes ─▶ a span of lost offsets, and the checkpoint after it
               does it end before the checkpoint? ──▶ refused: it is unknown what was lost
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ledger import chunk, gap, journal, lease
from ledger.database import session
from ledger.errors import translated
from ledger.key import LeaseKey
from operate import approval, previews
from operate.act import acting_apart
from operate.previews import Facts
from steps.drain.kafka import Cluster
from steps.drain.lease_keeper import exclusively
from steps.run.execution import Execution, Outcome, executing
from steps.run.exits import Exit, OffsetGap
from steps.run.status import Status

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from catalog import Feed
    from ledger.chunk import Source
    from ledger.database import Connection
    from ledger.lease import Lease
    from operate.act import Act, Record
    from operate.previews import Preview
    from steps.drain.kafka import Topic
    from steps.drain.lease_keeper import Keeper
    from steps.run.settings import Settings


@dataclass(frozen=True)
class Gap:
    """What one partition's checkpoint expects and Kafka no longer has. `end` None: the topic was created anew."""

    key: LeaseKey
    topic: str
    source: Source
    end: int | None
    elsewhere: bool = False
    """It is in another cluster."""

    @property
    def why(self) -> str:
        if self.elsewhere:
            return (
                "it is in another cluster: it is read from its beginning, and rows that were read already come "
                "a second time. Where it is a copy: `feedfall rebind`"
            )
        if self.end is None:
            return "the topic was made anew: it is read from its beginning, and what the old one held is lost"
        return "retention took them before they were read"


@dataclass(frozen=True)
class SkipResult:
    """How it ended, and the gaps: those that were found, or those that were accepted."""

    outcome: Outcome
    gaps: Sequence[Gap]


def look(settings: Settings, connection: Connection, feed: Feed) -> SkipResult:
    """Find the gaps of a feed and change nothing."""
    gaps = find(settings, connection, feed)
    return SkipResult(Outcome(Status.SHOWN if gaps else Status.NOTHING), gaps)


def skip(settings: Settings, feed: Feed, act: Act, stop: threading.Event) -> SkipResult:
    """Accept every gap of a feed in a run of its own, as `feedfall runs` shows it."""
    with acting_apart(settings.database_url, act) as record:
        _second_person(settings, feed, record)
        with executing(settings, LeaseKey(feed.name, "skip-gap"), stop) as execution:
            result = accept(execution, feed, act.actor.who, record.act.reason)
            execution.outcome = result.outcome
        record.settle(result.outcome)
        if result.outcome.status is Status.SUCCEEDED and result.gaps:
            with session(settings.database_url, "feedfall act") as connection:
                approval.use(connection, record)
    return result


def _second_person(settings: Settings, feed: Feed, record: Record) -> None:
    """Raises Asked."""
    with session(settings.database_url, "feedfall act") as connection:
        approval.obtain(connection, record, preview(feed, look(settings, connection, feed).gaps))


def preview(feed: Feed, gaps: Sequence[Gap]) -> Preview:
    """What accepting these gaps would do."""
    lines = [f"{each.topic}[{each.source.partition}] {each.source.next_offset} to {each.end}" for each in gaps]
    return previews.preview("skip-gap", Facts(feed.name, gaps=lines))


def find(settings: Settings, connection: Connection, feed: Feed) -> list[Gap]:
    """Every gap of a feed's drains. Raises OffsetGap for a topic that ends before its checkpoint."""
    cluster = Cluster(settings)
    return [
        found
        for stage, kind in (("relay", "request"), ("sub", "response"))
        if stage == "sub" or feed.partner
        for found in _of_drain(cluster, connection, LeaseKey(feed.name, stage), feed.topic(kind, settings.topic_prefix))
    ]


def _of_drain(cluster: Cluster, connection: Connection, key: LeaseKey, name: str) -> Iterator[Gap]:
    with translated():
        known = chunk.sources(connection, key, name)
        connection.rollback()
    if not known:
        return
    topic = cluster.topic(name)
    ends = cluster.watermarks(topic)
    for source in known:
        if not topic.is_that(source.topic_id, source.cluster_id):
            yield Gap(key, name, source, None, elsewhere=not topic.is_that(topic.id, source.cluster_id))
        elif source.next_offset < ends[source.partition].low:
            yield Gap(key, name, source, ends[source.partition].low)
        elif source.next_offset > ends[source.partition].high:
            raise _ahead(topic, source, ends[source.partition].high)


def _ahead(topic: Topic, source: Source, high: int) -> OffsetGap:
    return OffsetGap(
        f"{topic.name}[{source.partition}] is the topic that was read, and ends at {high:,}, before the checkpoint "
        f"{source.next_offset:,}: it lost its end, and will give these offsets to other messages. There is nothing to "
        "skip: delete the topic, create it anew, let its publishers send again what is missing, then skip the gap"
    )


def accept(execution: Execution, feed: Feed, by: str, reason: str) -> SkipResult:
    """Accept every gap of a feed, one drain after the other; lift the block if a gap caused it."""
    connection = execution.connection
    drains = defaultdict(list)
    for found in find(execution.settings, connection, feed):
        drains[found.key].append(found)
    done: list[Gap] = []
    for key, gaps in drains.items():
        partitions = {each.source.partition for each in gaps}
        outcome = exclusively(execution, key, partitions, partial(_accept, execution, gaps, by, reason))
        if outcome.status is Status.BUSY:
            return SkipResult(outcome, done)
        done += gaps
    freed = bool(done) and gap.unblock(connection, feed.name, Exit.GAP)
    connection.commit()
    counts = {"gaps": len(done), "offsets": sum(each.end - each.source.next_offset for each in done if each.end)}
    return SkipResult(Outcome(Status.SUCCEEDED, counts={**counts, "freed": freed}), done)


def _accept(execution: Execution, gaps: list[Gap], by: str, reason: str, held: Lease, _: Keeper) -> Outcome:
    """Record a drain's gaps under their partitions' leases, in one transaction."""
    connection = execution.connection
    with translated():
        lease.guard(connection, held)
        for each in gaps:
            at = each.source.next_offset
            gap.accept(connection, held, each.source.id, at, each.end, by, reason)
            where = {"stage": each.key.stage, "topic": each.topic, "partition": each.source.partition}
            journal.write(connection, "skip-gap", each.key.feed, by, reason, **where, **{"from": at, "to": each.end})
        connection.commit()
    return Outcome(Status.SUCCEEDED)
