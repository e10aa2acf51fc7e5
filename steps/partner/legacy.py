"""What the last relay before there were batches left behind. Read once a feed, at the first run after the upgrade.

That relay wrote its group's offsets into its Kafka transaction. Where it died before the ledger knew, they are ahead of
the checkpoint. Delete this file when no such relay can have been the last one.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ledger.batch import is_first
from steps.drain.kafka import Reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from steps.run.execution import Execution


def answered_to(
    execution: Execution, feed: str, topic: str, transactional_id: str, partitions: Iterable[int]
) -> Mapping[int, int]:
    """Partition → up to which offset requests were answered. Empty once the feed has a batch, or a topic made anew."""
    if not is_first(execution.connection, feed):
        return {}
    with closing(Reader(execution.settings, topic, f"{transactional_id}.answered")) as group:
        return group.group_offsets(partitions)
