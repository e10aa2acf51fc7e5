"""What MirrorMaker 2 wrote about a topic that it copied: pairs of offsets. Called by `operate/rebind.py`.

    topic                               key                        value
    mm2-offset-syncs.<alias>.internal   topic, partition           upstream, downstream: both offsets of one record
    <alias>.checkpoints.internal        group, topic, partition    version 0, upstream, downstream, metadata: where a
                                                                   group is, and at most where that is in the copy

A sync names the topic as the old cluster does, a checkpoint as the new one. A text is its length in two bytes, and
UTF-8. Apache Kafka's own: connect/mirror/…/OffsetSync.java, connect/mirror-client/…/Checkpoint.java; what a pair
proves, and that an offset between two syncs cannot be computed: connect/mirror/…/OffsetSyncStore.java.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from steps.drain.kafka import Cluster
from steps.run.exits import Misconfigured, Transient

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from steps.drain.kafka import Message
    from steps.run.settings import Settings

Pair = tuple[int, int]
"""Upstream, downstream."""
SYNC_BYTES = 16
VERSION = 0


@dataclass(frozen=True)
class Place:
    """Topics in which a MirrorMaker wrote its pairs; `servers`: of the Kafka that has them, where it is another one."""

    topics: Sequence[str]
    servers: str | None = None


@dataclass(frozen=True)
class Note:
    """One record of MirrorMaker's. `is_sync`: both offsets are those of one record."""

    topic: str
    partition: int
    pair: Pair
    is_sync: bool


@dataclass
class Pairs:
    """All that is known of one partition. Syncs ascend, in both offsets."""

    syncs: list[Pair] = field(default_factory=list)
    checkpoints: list[Pair] = field(default_factory=list)

    def add(self, note: Note) -> None:
        """A sync that does not ascend says that MirrorMaker began again, or the copy did: those before it are void."""
        if not note.is_sync:
            self.checkpoints.append(note.pair)
            return
        if self.syncs and not all(new > old for new, old in zip(note.pair, self.syncs[-1], strict=True)):
            self.syncs.clear()
        self.syncs.append(note.pair)

    def start(self, offset: int) -> int:
        """The copy of this record is there, or later."""
        return max((there for here, there in [*self.syncs, *self.checkpoints] if here <= offset), default=0)

    def fits(self, offset: int, there: int) -> bool:
        """Can the record `offset` have this one as its copy?"""
        by_syncs = all(_sign(offset - here) == _sign(there - copy) for here, copy in self.syncs)
        return by_syncs and all(offset < here or there >= copy for here, copy in self.checkpoints)

    def exact(self, offset: int) -> int | None:
        """Where the copy goes on for who has read up to `offset`; None: between two syncs that cannot be known."""
        known = dict(self.syncs)
        if offset in known:
            return known[offset]
        return known[offset - 1] + 1 if offset - 1 in known else None


@dataclass
class Mirror:
    """Everything that a MirrorMaker wrote, by topic and partition."""

    by_partition: dict[tuple[str, int], Pairs] = field(default_factory=lambda: defaultdict(Pairs))

    def of(self, upstream: str, downstream: str, partition: int) -> Pairs:
        """Syncs name the old topic, checkpoints the new one."""
        syncs = self.by_partition.get((upstream, partition), Pairs()).syncs
        return Pairs(syncs, self.by_partition.get((downstream, partition), Pairs()).checkpoints)


def read(settings: Settings, place: Place, stop: threading.Event) -> Mirror:
    """Read MirrorMaker's topics whole. Raises Misconfigured for a topic that is none of its own."""
    kafka = {**settings.kafka, **({"bootstrap.servers": place.servers} if place.servers else {})}
    cluster, found = Cluster(replace(settings, kafka=kafka)), Mirror()
    for name in place.topics:
        for message in _messages(cluster, name, stop):
            try:
                note = read_record(message.key() or b"", message.value())
            except (struct.error, ValueError) as error:
                raise Misconfigured(
                    f"{name}[{message.partition()}]@{message.offset()} is no offset sync and no checkpoint of "
                    f"MirrorMaker 2 ({error}): give mm2-offset-syncs.ALIAS.internal or ALIAS.checkpoints.internal"
                ) from error
            if note:
                found.by_partition[note.topic, note.partition].add(note)
    return found


def read_record(key: bytes, value: bytes | None) -> Note | None:
    """An offset sync or a checkpoint; None: one that was deleted. Raises ValueError or struct.error."""
    if value is None:
        return None
    is_sync = len(value) == SYNC_BYTES
    texts, rest = _texts(key, 1 if is_sync else 2)
    (partition,) = struct.unpack(">i", rest)
    if is_sync:
        return Note(texts[-1], partition, struct.unpack(">qq", value), is_sync)
    version, *pair = struct.unpack_from(">hqq", value)
    if version != VERSION:
        raise ValueError(f"version {version}")
    return Note(texts[-1], partition, (pair[0], pair[1]), is_sync)


def _texts(data: bytes, count: int) -> tuple[list[str], bytes]:
    found = []
    for _ in range(count):
        (length,) = struct.unpack_from(">h", data)
        found.append(data[2 : 2 + length].decode())
        data = data[2 + length :]
    return found, data


def _messages(cluster: Cluster, name: str, stop: threading.Event) -> Iterator[Message]:
    topic = cluster.topic(name)
    marks = cluster.watermarks(topic)
    position = {partition: mark.low for partition, mark in marks.items()}
    with closing(cluster.reader(name, "feedfall.rebind")) as reader:
        reader.assign(position)
        while any(position[partition] < mark.last_stable for partition, mark in marks.items()):
            if stop.is_set():
                raise Transient("stopped by a signal before all of MirrorMaker's records were read")
            yield from reader.read()
            position = reader.positions()


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
