"""The model's feed, and a sink that writes each message's offset."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bank import PACKAGES
from catalog import find
from ledger.chunk import ChunkResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ledger.chunk import Source
    from ledger.database import Connection
    from ledger.lease import Lease
    from steps.drain.intake import Intake
    from steps.drain.kafka import Reader

#: Small chunks, and a table that would take a row twice: nothing but the protocol stands against it.
FEED = replace(find.load("tick", PACKAGES), name="model", table="written", chunk_rows=2)


class Sink:
    """Writes each message's offset, and under which epoch."""

    stage, topic, markers, batch, shares = "sub", "model.response", False, 1, True

    def __init__(self, believes: Callable[[Lease], None]) -> None:
        self._believes = believes

    def open(self, held: Lease, reader: Reader, sources: Mapping[int, Source]) -> None:  # noqa: ARG002 -- its form
        self.held = held
        self._believes(held)

    def gather(self, intake: Intake) -> None: ...

    def load(self, connection: Connection, intake: Intake) -> ChunkResult:
        for [message] in intake.batches():
            partition = message.partition()
            values = (partition, message.offset(), self.held.epoch_of(partition), self.held.run)
            connection.execute(
                "INSERT INTO written (_partition, _offset, _epoch, _run) VALUES (%s, %s, %s, %s)", values
            )
        for span in intake.moved_spans():
            span.fates.read = span.fates.loaded = span.records
        return ChunkResult()

    def outcome(self, outcome: Any) -> Any:  # noqa: ANN401 -- handed through
        return outcome
