"""What can be wrong with a checkpoint: Kafka no longer has what it expects, or each run that reads there is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger import chunk
from ledger.errors import translated
from steps.run.exits import Misconfigured, OffsetGap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from catalog import Feed
    from ledger.chunk import Source, Span
    from ledger.database import Connection
    from ledger.key import LeaseKey
    from steps.drain.kafka import Cluster, Topic, Watermarks


def behind(connection: Connection, cluster: Cluster, key: LeaseKey, topic: Topic) -> dict[int, int]:
    """Partition → offsets between its checkpoint and the log's end, an open transaction's included; 0 is left out.

    Ends the transaction. The checkpoints come first: one that moves meanwhile is no log that lost its end.
    """
    with translated():
        at = {source.partition: source.next_offset for source in chunk.sources(connection, key, topic.name)}
        connection.rollback()
    marks = cluster.watermarks(topic)
    lags = {partition: abs(mark.high - at.get(partition, mark.low)) for partition, mark in marks.items()}
    return {partition: lag for partition, lag in lags.items() if lag}


def check(topic: Topic, source: Source, marks: Watermarks, feed: str) -> None:
    """Does Kafka still have what the checkpoint expects?"""
    where = f"{topic.name}[{source.partition}]"
    if not topic.is_that(source.topic_id, source.cluster_id):
        raise another(topic, source, feed)
    if source.next_offset < marks.low:
        raise OffsetGap(
            f"{where}: offsets {source.next_offset} to {marks.low} are gone (retention); they were never read"
        )
    if source.next_offset > marks.high:
        raise OffsetGap(
            f"{where} ends at {marks.high}, before the checkpoint {source.next_offset}: data was lost in Kafka"
        )


def check_name(topic: Topic, key: LeaseKey, others: Sequence[str]) -> None:
    """A drain reads one topic: under a new name it would read the same messages again from their beginning."""
    if others:
        feed, known = key.feed, ", ".join(others)
        raise OffsetGap(
            f"the ledger's checkpoints of {feed} are of {known}: this run would read {topic.name} from its beginning. "
            "Where FEEDFALL_TOPIC_PREFIX is wrong: correct it, then `feedfall free`. Where the topic was moved, "
            f"renamed or mirrored: `feedfall rebind {feed}`"
        )


def no_messages(topic: Topic, feed: Feed, spans: Iterable[Span], partitions: Mapping[int, int]) -> Misconfigured | None:
    """Offsets that no message has, where the feed says that each has one: recorded so, they would look like a loss."""
    for span in spans:
        if span.absent:
            first, end = span.absent[0]
            return Misconfigured(
                f"{topic.name}[{partitions[span.source]}]: no message has the offsets {first} to {end}. Its publisher "
                "uses transactions, or the topic is compacted: write transactional=True in feed "
                f"{feed.name}, then `feedfall free {feed.name}`"
            )
    return None


def another(topic: Topic, source: Source, feed: str) -> OffsetGap:
    """It is not the topic that was read: another cluster's, or a new one."""
    if topic.is_that(topic.id, source.cluster_id):
        return made_anew(topic)
    same = (
        "with the same topic id, as a copy of its disks has" if source.topic_id == topic.id else "with another topic id"
    )
    return OffsetGap(
        f"the ledger's checkpoints of {topic.name} are of cluster {source.cluster_id}, and this is cluster "
        f"{topic.cluster_id}, {same}. Where KAFKA_BOOTSTRAP_SERVERS is wrong: correct it, then `feedfall free`. Where "
        f"the topic was moved, mirrored or copied: `feedfall rebind {feed}`"
    )


def made_anew(topic: Topic) -> OffsetGap:
    return OffsetGap(f"{topic.name} was deleted and created anew: its offsets no longer mean what the ledger knows")


def killed_again(topic: Topic, sources: Iterable[Source], killed: int) -> Misconfigured:
    """Runs are killed at this checkpoint, by a message too large for the pod's memory or a node at its limit."""
    at = ", ".join(f"{topic.name}[{source.partition}]@{source.next_offset}" for source in sources)
    return Misconfigured(
        f"{killed} runs in a row were killed before they moved this checkpoint: {at}. "
        "Look at how the pods ended (OOMKilled: raise the memory limit) and at the messages there; then `feedfall free`"
    )
