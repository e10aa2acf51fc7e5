"""Plays doorbell: committed records on a feed's topics start its relay and sub. It rings and never passes data on.

Like the cluster's EventSource it has a consumer group of its own and receives what was sent before it started; like
its Sensor's `fx && tick` it lets one ring through at once and collects the following ones until the next tick.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer

from catalog import Feed
from local.argo.player import Player
from local.argo.repeat import repeat
from steps.run import settings

TICK = 0.5
"""Seconds; the cluster's is 2."""


@dataclass
class Bell:
    """One doorbell: A tick is saved while no message comes, so a single message fires at once."""

    template: str
    every: float
    rung: bool = False
    saved: bool = True
    next_tick: float = 0.0

    def fires(self, at: float) -> bool:
        """Is it time? `at` in seconds of a clock that never goes back."""
        if at >= self.next_tick:
            self.saved, self.next_tick = True, at + self.every
        if not (self.rung and self.saved):
            return False
        self.rung = self.saved = False
        return True


def bells(feeds: Sequence[Feed], prefix: str, every: float = TICK) -> dict[str, Bell]:
    """Topic → what it starts."""
    subs = {feed.topic(feed.bell, prefix): Bell(f"{feed.name}-sub", every) for feed in feeds}
    relays = {feed.topic("request", prefix): Bell(f"{feed.name}-relay", every) for feed in feeds if feed.partner}
    return subs | relays


@contextmanager
def ring(player: Player, feeds: Sequence[Feed], every: float = TICK) -> Iterator[None]:
    """Ring until the block ends. Kafka's address is the one that the pods have."""
    where = settings.read(player.environment(f"{feeds[0].name}-sub"), database=feeds[0].database)
    by_topic = bells(feeds, where.topic_prefix, every)
    consumer = Consumer(
        {
            **where.kafka,
            "group.id": f"{where.domain}.{where.topic_prefix}doorbell",
            "isolation.level": "read_committed",  # or it would ring before the rows are there
            "auto.offset.reset": "earliest",
            "topic.metadata.refresh.interval.ms": 5000,
            "fetch.wait.max.ms": 100,
            "log_level": 0,
        }
    )
    consumer.subscribe(list(by_topic))

    def listen() -> None:
        for message in consumer.consume(1000, 0.05):
            if not message.error():
                by_topic[str(message.topic())].rung = True
        for bell in by_topic.values():
            if bell.fires(time.monotonic()):
                player.submit(bell.template, {})

    with closing(consumer), repeat(listen, "doorbell", every=0):
        yield
