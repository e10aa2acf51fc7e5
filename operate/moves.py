"""Where do the checkpoints of a moved topic go on in the new one? Decided here, done by `operate/rebind.py`.

old sources ─▶ where does the new topic go on? ─┬─ --map      a person's own table of offsets
                                               ├─ --mirror   as below, within what MirrorMaker's pairs of offsets allow
                                               └─ found      the new topic is read, and compared with the last rows

Whatever cannot be mapped is refused: a guess would load rows twice, or never. Relay's checkpoints begin at the low end:
each request stands in the ledger by its correlation id, and is not sent again.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ledger import rebind
from ledger.chunk import Source
from operate import mirror
from operate.mirror import Mirror, Pairs
from operate.reread import open_rereading
from steps.drain.kafka import Cluster
from steps.run.exits import Misconfigured, OffsetGap, Transient

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence

    from catalog import Feed
    from ledger.database import Connection
    from ledger.rebind import Bound, Match, Overlap
    from steps.drain.kafka import Topic, Watermarks
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


OffsetMap = dict[int, int]
"""Partition → the next offset to be read."""


@dataclass(frozen=True)
class Given:
    """What a person gives: offsets, or the topics in which MirrorMaker wrote its pairs, or neither."""

    offsets: OffsetMap = field(default_factory=dict)
    mirror: mirror.Place | None = None


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


def find(settings: Settings, connection: Connection, feed: Feed, given: Given, stop: threading.Event) -> list[Move]:
    """Every checkpoint that is bound to another topic than the feed has now, and where it goes on."""
    cluster, moves = Cluster(settings), list[Move]()
    known = rebind.fetch_bound(connection, feed)
    for stage, kind in (("relay", "request"), ("sub", "response")):
        its = [each for each in known if each.stage == stage]
        if not its:
            continue
        topic = cluster.topic(feed.topic(kind, settings.topic_prefix))
        old = [each for each in its if each.topic != topic.name or not topic.is_that(each.topic_id, each.cluster_id)]
        marks = cluster.watermarks(topic)
        _check(topic, its, old, marks)
        if stage == "relay":
            moves += [
                Move(each, topic, marks[each.partition].low, "from its low end: requests are known by their id")
                for each in old
            ]
        elif given.offsets:
            moves += [_given(each, topic, given.offsets, marks[each.partition]) for each in old]
        elif old:
            wrote = _wrote(settings, given.mirror, topic, old, stop)
            moves += _find(settings, connection, feed, topic, old, marks, wrote, stop)
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


def _wrote(
    settings: Settings, place: mirror.Place | None, topic: Topic, old: Sequence[Bound], stop: threading.Event
) -> dict[int, Pairs]:
    """Partition → what MirrorMaker wrote of it. Raises Misconfigured where that is nothing at all."""
    found = mirror.read(settings, place, stop) if place else Mirror()
    wrote = {each.partition: found.of(each.topic, topic.name, each.partition) for each in old}
    if place and not any(pairs.syncs or pairs.checkpoints for pairs in wrote.values()):
        names = " and ".join(place.topics)
        raise Misconfigured(f"{names}: no offset sync of {old[0].topic} and no checkpoint of {topic.name} is there")
    return wrote


def _find(
    settings: Settings,
    connection: Connection,
    feed: Feed,
    topic: Topic,
    old: Sequence[Bound],
    marks: Mapping[int, Watermarks],
    wrote: Mapping[int, Pairs],
    stop: threading.Event,
) -> Iterator[Move]:
    overlap = rebind.Overlap(connection, feed)
    start = {
        each.partition: _start(marks[each.partition], wrote[each.partition].start(overlap.oldest(each.id, COMPARED)))
        for each in old
    }
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
        yield _of_overlap(each, topic, overlap, wrote[each.partition], marks[each.partition])


def _start(marks: Watermarks, at_least: int) -> int:
    """Where the comparison begins: whatever lies before this pair is no copy of the rows to be compared."""
    return min(max(marks.low, at_least), marks.last_stable)


def _of_overlap(old: Bound, topic: Topic, overlap: Overlap, wrote: Pairs, marks: Watermarks) -> Move:
    """Where a partition goes on: after the last of its rows, where the rows before it are there too, in their order."""
    where = f"{topic.name}[{old.partition}]"
    matches = [_fitting(each, old, where, wrote) for each in overlap.matches(old.id, COMPARED)]
    if old.next_offset == 0 and not matches:
        return Move(old, topic, 0, "nothing was read of it")
    if not matches and (wrote.syncs or wrote.checkpoints):
        return _by_mirror_alone(old, topic, wrote, marks)
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
    mirrored = f"; MirrorMaker's {len(wrote.syncs)} syncs agree" if wrote.syncs else ""
    sure = f"{same} of {len(matches)} last messages are the same{mirrored}{again}"
    return Move(old, topic, matches[0].found[0] + 1, sure)


def _fitting(match: Match, old: Bound, where: str, wrote: Pairs) -> Match:
    """Of equal messages in the copy, those that can be this one. Raises OffsetGap where that is contradicted."""
    fitting = [offset for offset in match.found or () if wrote.fits(match.offset, offset)]
    if match.found and not fitting:
        raise OffsetGap(
            f"{old.topic}[{old.partition}]@{match.offset} is {where}@{match.found[0]} by its rows, and not by "
            "MirrorMaker's pairs: they are of another copy. Nothing was changed; without --mirror it is searched for"
        )
    return replace(match, found=fitting or None)


def _by_mirror_alone(old: Bound, topic: Topic, wrote: Pairs, marks: Watermarks) -> Move:
    """No row of it stands in the table, so none can be compared."""
    at = wrote.exact(old.next_offset)
    where = f"{topic.name}[{old.partition}]"
    if at is None or not marks.low <= at <= marks.high:
        what = f"{at}, where it has {marks.low} to {marks.high}" if at is not None else "only what is near it"
        raise OffsetGap(
            f"{where}: no row of {old.topic}[{old.partition}] stands in the table, and of its offset {old.next_offset} "
            f"MirrorMaker's pairs say {what}. {GIVE}"
        )
    return Move(old, topic, at, "as MirrorMaker's sync says; no row of it stands in the table")


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
