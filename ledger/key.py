"""What is drained, a stage of a feed: each partition of its topic has a lease and an epoch of its own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LeaseKey:
    """(feed, stage), as the ledger's tables name it."""

    feed: str
    stage: str

    def __str__(self) -> str:
        return f"{self.feed} {self.stage}"
