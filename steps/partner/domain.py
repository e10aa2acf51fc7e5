"""One domain alone answers a feed's requests: relay's fence and its offsets in Kafka have the domain's name.

Under a second FEEDFALL_DOMAIN a relay neither fences the first one nor sees what it has answered: the partner would
be asked again, and two whole answers of one request be visible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steps.drain.kafka import Cluster
from steps.run.exits import Misconfigured

if TYPE_CHECKING:
    from catalog import Feed
    from steps.run.settings import Settings


def check(settings: Settings, feed: Feed, shard: int) -> None:
    """Refuse to answer requests of which another domain has answered some. Where groups may not be seen: nothing."""
    topic, own = feed.topic("request", settings.topic_prefix), group(settings, feed, shard)
    ending = own.removeprefix(settings.domain)
    for other in Cluster(settings).groups_of(topic, ending):
        if other != own:
            raise Misconfigured(
                f"domain {other.removesuffix(ending)!r} has answered requests of {topic}, and this one is "
                f"{settings.domain!r}: set FEEDFALL_DOMAIN to the former, or give this one topics of its own "
                f"(FEEDFALL_TOPIC_PREFIX). Where the former is gone for good, delete its consumer group {other}"
            )


def group(settings: Settings, feed: Feed, shard: int) -> str:
    """The consumer group in which a relay commits what it has answered."""
    return f"{settings.domain}.{settings.topic_prefix}{feed.name}.relay.{shard}.answered"
