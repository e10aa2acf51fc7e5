"""rebind: a feed's topic was moved, renamed or mirrored; its checkpoints go on in the new one.

old sources ─▶ where does the new topic go on? ─┬─ --map      a person's own table of offsets
                                               └─ found      the new topic is read, and compared with the last rows
      ─▶ all of them in one transaction: the old source is closed, another begins at that offset

Whatever cannot be mapped is refused: a guess would load rows twice, or never. Relay's checkpoints begin at the low end:
each request stands in the ledger by its correlation id, and is not sent again. Called by `feedfall rebind`.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ledger import chunk, gap, journal, lease, rebind
from ledger.chunk import Source
from ledger.errors import translated
from ledger.key import LeaseKey
from operate.act import acting_apart
from operate.reread import open_rereading
from steps.drain.kafka import Cluster
from steps.drain.lease_keeper import exclusively
from steps.run.execution import Execution, Outcome, executing
from steps.run.exits import Exit, Misconfigured, OffsetGap, Transient
from steps.run.status import Status

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence

    from catalog import Feed
    from ledger.database import Connection
    from ledger.lease import Lease
    from ledger.rebind import Bound, Match, Overlap
    from operate.act import Act
    from steps.drain.kafka import Topic, Watermarks
    from steps.drain.lease_keeper import Keeper
    from steps.run.settings import Settings

#: So many of the last rows of a partition are compared.
COMPARED = 1000


@dataclass(frozen=True)
class Move:
    """An old source, and the offset of the new topic at which it goes on; `sure`: how that is known."""

    old: Bound
    topic: Topic
    offset: int
    sure: str


@dataclass(frozen=True)
class RebindResult:
    """How it ended, and what is moved, or would be."""

    outcome: Outcome
    moves: Sequence[Move]


OffsetMap = dict[int, int]
"""Partition → the next offset to be read."""


def read_map(text: str, name: str) -> OffsetMap:
    """A CSV of `partition,offset`. Raises Misconfigured."""
    found: OffsetMap = {}
    for number, line in enumerate(csv.reader(io.StringIO(text)), start=1):
        words = [word.strip() for word in line]
        if not any(words) or (number == 1 and words == ["partition", "offset"]):
            continue
        if len(words) != 2 or not all(word.isascii() and word.isdigit() for word in words) or int(words[0]) in found:  # noqa: PLR2004 -- a pair
            raise Misconfigured(
                f"{name}, line {number}: {','.join(line)!r} is not PARTITION,OFFSET, each partition once"
            )
        found[int(words[0])] = int(words[1])
    return found


def look(
    settings: Settings, connection: Connection, feed: Feed, given: OffsetMap, stop: threading.Event
) -> RebindResult:
    """Find where each checkpoint goes on, and change nothing. Raises OffsetGap for what cannot be mapped."""
    moves = find(settings, connection, feed, given, stop)
    connection.rollback()
    return RebindResult(Outcome(Status.SHOWN if moves else Status.NOTHING), moves)


def move(settings: Settings, feed: Feed, given: OffsetMap, act: Act, stop: threading.Event) -> RebindResult:
    """Rebind every checkpoint of a feed in a run of its own, as `feedfall runs` shows it."""
    key = LeaseKey(feed.name, "rebind")
    with acting_apart(settings.database_url, act) as record, executing(settings, key, stop) as execution:
        moves = find(settings, execution.connection, feed, given, stop)
        execution.connection.rollback()
        outcome = execution.outcome = _move_all(execution, feed, moves, act.actor.who, record.act.reason)
        record.settle(outcome)
    return RebindResult(outcome, moves)


def find(settings: Settings, connection: Connection, feed: Feed, given: OffsetMap, stop: threading.Event) -> list[Move]:
    """Every checkpoint that is bound to another topic than the feed has now, and where it goes on."""
    cluster, moves = Cluster(settings), list[Move]()
    known = rebind.fetch_bound(connection, feed)
    for stage, kind in (("relay", "request"), ("sub", "response")):
        its = [each for each in known if each.stage == stage]
        if not its:
            continue
        topic = cluster.topic(feed.topic(kind, settings.topic_prefix))
        old = [each for each in its if (each.topic, each.topic_id) != (topic.name, topic.id)]
        marks = cluster.watermarks(topic)
        _check(topic, its, old, marks)
        if stage == "relay":
            moves += [
                Move(each, topic, marks[each.partition].low, "from its low end: requests are known by their id")
                for each in old
            ]
        elif given:
            moves += [_given(each, topic, given, marks[each.partition]) for each in old]
        elif old:
            moves += _find(settings, connection, feed, topic, old, marks, stop)
    return moves


def _check(topic: Topic, known: Sequence[Bound], old: Sequence[Bound], marks: Mapping[int, Watermarks]) -> None:
    for each in old:
        if each.partition not in marks:
            raise OffsetGap(
                f"{each.topic}[{each.partition}] was read, and {topic.name} has no such partition: create it"
            )
        if any(other not in old and other.partition == each.partition for other in known):
            raise OffsetGap(f"{topic.name}[{each.partition}] is read already, beside {each.topic}: they are two topics")


def _given(old: Bound, topic: Topic, given: OffsetMap, marks: Watermarks) -> Move:
    offset = given.get(old.partition)
    if offset is None or not marks.low <= offset <= marks.high:
        there = f"{topic.name}[{old.partition}] has the offsets {marks.low} to {marks.high}"
        raise OffsetGap(f"{there}, and the map says {'nothing' if offset is None else offset} of that partition")
    return Move(old, topic, offset, "as given")


def _find(
    settings: Settings,
    connection: Connection,
    feed: Feed,
    topic: Topic,
    old: Sequence[Bound],
    marks: Mapping[int, Watermarks],
    stop: threading.Event,
) -> Iterator[Move]:
    overlap = rebind.Overlap(connection, feed)
    start = {each.partition: marks[each.partition].low for each in old}
    ends = {each.partition: marks[each.partition].last_stable for each in old}
    sources = {each.partition: Source(each.id, topic.id, each.partition, 0, 0) for each in old}
    again = open_rereading(settings, feed, sources, stop)
    try:
        for part in again.chunks(start, ends):
            overlap.take(part.blocks)
    finally:
        again.reader.close()
    if stop.is_set():
        raise Transient("stopped by a signal before all was compared")
    for each in old:
        yield _of_overlap(each, topic, overlap)


def _of_overlap(old: Bound, topic: Topic, overlap: Overlap) -> Move:
    """Where a partition goes on: after the last of its rows, where the rows before it are there too, in their order."""
    where = f"{topic.name}[{old.partition}]"
    matches = overlap.matches(old.id, COMPARED)
    if old.next_offset == 0 and not matches:
        return Move(old, topic, 0, "nothing was read of it")
    if not matches or not matches[0].found:
        raise OffsetGap(
            f"{where} does not have the last row of {old.topic}[{old.partition}]: it is no copy of it. {GIVE}"
        )
    if len(matches[0].found) > 1:
        raise OffsetGap(
            f"{where} has the last row of {old.topic}[{old.partition}] {len(matches[0].found)} times. {GIVE}"
        )
    same = _in_order(matches)
    if same < len(matches) and any(each.found for each in matches[same:]):
        raise OffsetGap(
            f"{where} has only some of the last rows of {old.topic}[{old.partition}], or not in their order. {GIVE}"
        )
    last = matches[0]
    tail = overlap.tail(old.id, last.offset)
    again = (
        f"; {tail.set_aside} set aside and {tail.replaced} replaced after them are read again"
        if any(vars(tail).values())
        else ""
    )
    return Move(old, topic, matches[0].found[0] + 1, f"{same} of {len(matches)} last messages are the same{again}")


def _in_order(matches: Sequence[Match]) -> int:
    """How many of the newest messages are there, each before the one that came after it."""
    below = None
    for number, each in enumerate(matches):
        fitting = [offset for offset in each.found or () if below is None or offset < below]
        if not fitting:
            return number
        below = fitting[-1]
    return len(matches)


GIVE = "Nothing was changed. Where you know the offsets: --map FILE, with lines of PARTITION,OFFSET"


def _move_all(execution: Execution, feed: Feed, moves: Sequence[Move], by: str, reason: str) -> Outcome:
    if not moves:
        return Outcome(Status.NOTHING)
    drains = defaultdict(list)
    for each in moves:
        drains[each.old.stage].append(each)
    for stage, its in drains.items():
        partitions = [each.old.partition for each in its]
        act = partial(_move, execution, feed, its, by, reason)
        outcome = exclusively(execution, LeaseKey(feed.name, stage), partitions, act)
        if outcome.status is not Status.SUCCEEDED:
            return outcome
    freed = gap.unblock(execution.connection, feed.name, Exit.GAP)
    execution.connection.commit()
    return Outcome(Status.SUCCEEDED, counts={"moved": len(moves), "freed": freed})


def _move(
    execution: Execution, feed: Feed, moves: Sequence[Move], by: str, reason: str, held: Lease, _: Keeper
) -> Outcome:
    """Close the old sources and open the others, in one transaction, under the stage's lease."""
    connection = execution.connection
    with translated():
        lease.guard(connection, held)
        for each in moves:
            old, topic = each.old, each.topic
            markers = feed.writes_markers if old.stage == "sub" else False
            new = chunk.open_source(connection, held, topic.name, topic.id, old.partition, each.offset, markers=markers)
            gap.move(connection, held, old.id, old.next_offset, new.id, by, reason)
            where = {"stage": old.stage, "topic": old.topic, "partition": old.partition, "from": old.next_offset}
            journal.write(
                connection, "rebind", feed.name, by, reason, **where, to=topic.name, at=each.offset, sure=each.sure
            )
        connection.commit()
    return Outcome(Status.SUCCEEDED)
