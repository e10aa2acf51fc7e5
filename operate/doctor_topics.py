"""Is a topic as its feed needs it? A check of `feedfall doctor`: (state, words) for each line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from catalog import Feed
    from steps.drain.kafka import Cluster

#: What a producer with default settings sends at most, and relay's is one.
PRODUCED = 1_000_000
HOUR = 3600


def check(cluster: Cluster, feed: Feed, kind: str, name: str, window: float) -> Iterator[tuple[str, str]]:
    """Partitions and settings. Raises Misconfigured where there is no such topic."""
    topic = cluster.topic(name)
    yield partitions(feed, kind, len(topic.partitions))
    yield from _wrong(feed, kind, cluster.configs(topic), window)


def partitions(feed: Feed, kind: str, count: int) -> tuple[str, str]:
    """One for each pod of sub, at least: more pods than partitions have nothing to do."""
    if kind == "response" and count < feed.parallel:
        return "to do", f"{count} partitions for {feed.parallel} pods: add partitions, or lower Feed(parallel=)"
    return "ok", f"{count} partitions"


def _wrong(feed: Feed, kind: str, config: Mapping[str, str], window: float) -> Iterator[tuple[str, str]]:
    if config["cleanup.policy"] != "delete":
        yield "to do", f"cleanup.policy is {config['cleanup.policy']}, which removes messages unread: set it to delete"
    yield from _retention(config, window)
    if kind == "response":
        yield from _response(feed, config)


def _retention(config: Mapping[str, str], window: float) -> Iterator[tuple[str, str]]:
    milliseconds, size = int(config["retention.ms"]), int(config["retention.bytes"])
    if 0 <= milliseconds < window * 1000:
        hours, wanted = f"{milliseconds / 1000 / HOUR:g} hours", f"{window / HOUR:g}"
        yield "to do", f"retention.ms keeps {hours}, and {wanted} are wanted (--window): set it to {window * 1000:.0f}"
    if size >= 0:
        yield "advice", f"retention.bytes is {size:,}: a burst removes messages earlier than retention.ms; -1 is safe"


def _response(feed: Feed, config: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    largest = int(config["max.message.bytes"])
    if largest > feed.max_message:
        words = f"max.message.bytes is {largest:,}, and messages over {feed.max_message:,} are quarantined unread"
        yield "to do", f"{words}: lower it, or raise Feed(max_message=)"
    if feed.partner and largest < PRODUCED:
        yield "to do", f"max.message.bytes is {largest:,}, and relay may write {PRODUCED:,}: raise it"
    if feed.key and (kind := config["message.timestamp.type"]) != "LogAppendTime":
        why = "a message's time decides which row is newer, and so each publisher's clock writes it"
        yield "advice", f"message.timestamp.type is {kind}: {why}. LogAppendTime: the broker's clock does"
