"""What one run at a time works on, a stage of a feed and a share of its partitions: the unit of lease and epoch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LeaseKey:
    """(feed, stage, shard), as the ledger's tables name it."""

    feed: str
    stage: str
    shard: int = 0

    def __str__(self) -> str:
        return f"{self.feed} {self.stage}"
