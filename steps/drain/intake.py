"""What one chunk reads: messages of the assigned partitions, counted before anything judges them.

An offset between two messages, or before a partition's end, that no message shows is *absent*: a commit marker, an
aborted record or a compacted one. It is recorded as a range, so that records + absent = to - from.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from ledger.chunk import Span
from steps.run.exits import Transient

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ledger.chunk import Source
    from steps.drain.kafka import Message

MEGABYTES_16 = 16 * 2**20
#: Seconds after which a broker that gives nothing, though it has something, counts as out of reach.
STALLED = 30.0


class MessageReader(Protocol):
    """What an intake needs of a reader."""

    def read(self, limit: int = 500, seconds: float = 0.05) -> list[Message]: ...
    def positions(self) -> dict[int, int]: ...
    def leader_epochs(self) -> dict[int, int | None]: ...
    def pause(self, partition: int) -> None: ...


class Intake:
    """Batches for a sink, until the chunk is full, every end is reached, or the run is stopped."""

    def __init__(
        self,
        reader: MessageReader,
        sources: Mapping[int, Source],
        start: Mapping[int, int],
        ends: Mapping[int, int],
        *,
        rows: int,
        batch: int,
        stop: threading.Event,
        beat: Callable[[], None],
    ) -> None:
        self.spans = {partition: Span(sources[partition].id, offset, offset) for partition, offset in start.items()}
        self._reader, self._ends, self._stop, self._beat = reader, ends, stop, beat
        self._rows, self._bytes, self._batch = rows, MEGABYTES_16, batch
        self._open = {partition for partition, end in ends.items() if start[partition] < end}

    def batches(self) -> Iterator[Sequence[Message]]:
        """Read messages, in the order of each partition's offsets."""
        moved, position = time.monotonic(), self._reader.positions()
        while self._open and self._rows > 0 and self._bytes > 0 and not self._stop.is_set():
            batch = self._reader.read(min(self._batch, self._rows))
            self._count(batch)
            self._rows -= len(batch)
            yield batch
            before, position = position, self._reader.positions()
            if position != before:
                self._beat()
                moved = time.monotonic()
            elif time.monotonic() - moved > STALLED:
                raise Transient(
                    f"Kafka has offsets up to {self._ends} and gave none for {STALLED:.0f} s; "
                    "the next run goes on from here"
                )
            self._close_reached(position)
        self._count_tails(position)
        for partition, epoch in self._reader.leader_epochs().items():
            self.spans[partition].leader_epoch = epoch

    def count(self, rows: int, size: int) -> None:
        """Count the sink's bytes, and its rows beyond one a message: a chunk ends by rows or by bytes."""
        self._rows -= rows
        self._bytes -= size

    def beat(self) -> None:
        """Note that the sink makes progress while no message is read."""
        self._beat()

    def end_chunk(self) -> None:
        """End the chunk: the sink has enough."""
        self._rows = 0

    def moved_spans(self) -> list[Span]:
        """The spans that moved."""
        return [span for span in self.spans.values() if span.to_offset > span.from_offset]

    def position(self) -> dict[int, int]:
        """Partition → where the next chunk begins."""
        return {partition: span.to_offset for partition, span in self.spans.items()}

    def _count(self, batch: Sequence[Message]) -> None:
        for message in batch:
            span, offset = self.spans[message.partition()], message.offset()
            if offset > span.to_offset:
                span.absent.append((span.to_offset, offset))
            span.to_offset = offset + 1
            span.records += 1

    def _close_reached(self, positions: Mapping[int, int]) -> None:
        """Judge "reached" by the position, never by the last message: markers take offsets."""
        for partition, position in positions.items():
            if partition in self._open and position >= self._ends[partition]:
                self._open.discard(partition)
                self._reader.pause(partition)

    def _count_tails(self, positions: Mapping[int, int]) -> None:
        for partition, position in positions.items():
            span = self.spans[partition]
            if position > span.to_offset:
                span.absent.append((span.to_offset, position))
                span.to_offset = position
