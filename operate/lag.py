"""lag: how far the checkpoints of feeds are behind their topics. Called by `feedfall lag`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from catalog import Feed
from ledger import verify
from ledger.database import Connection
from steps.drain.kafka import Cluster
from steps.run.settings import Settings


@dataclass(frozen=True)
class Lag:
    """One partition: its checkpoint and its ends. `lag` counts an open transaction's records too."""

    feed: str
    stage: str
    topic: str
    partition: int
    checkpoint: int
    committed: int
    high: int
    lag: int


def lag(connection: Connection, settings: Settings, feeds: Iterable[Feed]) -> list[Lag]:
    """The lag of every partition of these feeds that was read before."""
    return [line for feed in feeds for line in _of_feed(connection, settings, feed)]


def _of_feed(connection: Connection, settings: Settings, feed: Feed) -> list[Lag]:
    cluster = Cluster(settings)
    lines = verify.lines(connection, feed)
    topics = cluster.topics({line.topic for line in lines})
    ends = {name: cluster.watermarks(topic) for name, topic in topics.items()}
    return [
        Lag(
            feed.name, x.stage, x.topic, x.partition, x.next_offset, end.last_stable, end.high, end.high - x.next_offset
        )
        for x in lines
        if not x.closed and (end := ends.get(x.topic, {}).get(x.partition))
    ]
