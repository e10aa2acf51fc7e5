"""One ledger alone answers a feed's requests: relay's fence has the domain's name, and its batches are in its ledger.

A relay under a second FEEDFALL_DOMAIN, with a ledger of its own, neither fences the first one nor knows what it has
answered: the partner would be asked again, and two whole answers of one request be visible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.batch import fetch_transactional_ids
from steps.drain.kafka import Cluster
from steps.run.exits import Misconfigured

if TYPE_CHECKING:
    from catalog import Feed
    from steps.run.execution import Execution


def check(execution: Execution, feed: Feed) -> None:
    """Refuse requests of which another ledger's relay has read some. Where groups may not be seen: nothing."""
    settings = execution.settings
    topic, ending = feed.topic("request", settings.topic_prefix), f".{feed.name}.relay"
    others = set(Cluster(settings).groups_of(topic, ending)) - {f"{settings.domain}{ending}"}
    if not others:
        return
    ours = fetch_transactional_ids(execution.connection, feed.name)  # this ledger's own, before a domain was renamed
    for other in sorted(others):
        domain = other.removesuffix(ending)
        if not any(each.startswith(f"{domain}.") for each in ours):
            raise Misconfigured(
                f"domain {domain!r} has answered requests of {topic}, and this one is {settings.domain!r}: set "
                "FEEDFALL_DOMAIN to the former, or give this one topics of its own (FEEDFALL_TOPIC_PREFIX). Where the "
                f"former is gone for good, delete its consumer group {other}"
            )
