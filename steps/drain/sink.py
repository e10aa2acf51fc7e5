"""What a drain asks of those that drain: sub and relay are its two sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.chunk import ChunkResult, Source
    from ledger.database import Connection
    from ledger.lease import Lease
    from steps.drain.intake import Intake
    from steps.drain.kafka import Reader
    from steps.run.execution import Outcome


class Sink(Protocol):
    """What a chunk does with its messages. One object a run."""

    stage: str
    topic: str
    markers: bool
    """May the topic hold offsets that no client sees?"""
    batch: int
    """Messages that are read at once."""
    shares: bool
    """May several runs share the topic's partitions?"""

    def open(self, held: Lease, reader: Reader, sources: Mapping[int, Source]) -> None:
        """Called when leases are taken and checkpoints read; again when they are taken again."""

    def gather(self, intake: Intake) -> None:
        """Do what must happen outside the database's transaction (a partner's requests)."""

    def load(self, connection: Connection, intake: Intake) -> ChunkResult:
        """Do the work inside the transaction, under the writer's lock, and return what became of every row."""

    def outcome(self, outcome: Outcome) -> Outcome:
        """Complete the outcome of the run."""
