"""Read recorded offsets again, and judge them as today's feed does. Called by replay and by `verify --deep`.

    [from, to) of some partitions ──▶ RangeReader ──Intake──▶ Batch ──▶ lines for COPY, and what today's feed refuses

The intake, the judge and the lines are sub's own. The range's end is new. Nothing is recorded and nothing is set aside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ledger.errors import OffsetGap
from ledger.merge import RefusedRow
from steps.drain.intake import Intake
from steps.drain.kafka import Reader
from steps.load.batch import Batch
from steps.load.judge import Judge
from steps.load.record import ChunkRecord

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from catalog import Envelope, Feed
    from ledger.chunk import Source, Span
    from steps.drain.kafka import Message
    from steps.run.settings import Settings


@dataclass(frozen=True)
class RereadChunk:
    """Some of the range: its lines, what today's feed refuses, and how many rows its records hold."""

    spans: Sequence[Span]
    blocks: Sequence[bytes]
    refused: Sequence[RefusedRow]
    rows: int


class RangeReader:
    """A reader that ends where a range ends: what comes after it is not ours to read."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._ends: Mapping[int, int] = {}

    def assign(self, start: Mapping[int, int], ends: Mapping[int, int]) -> None:
        """Read these partitions from here to there."""
        self._ends = ends
        self._reader.assign(start)

    def read(self, limit: int = 500, seconds: float = 0.05) -> list[Message]:
        return [each for each in self._reader.read(limit, seconds) if each.offset() < self._ends[each.partition()]]

    def positions(self) -> dict[int, int]:
        return {partition: min(at, self._ends[partition]) for partition, at in self._reader.positions().items()}

    def leader_epochs(self) -> dict[int, int | None]:
        return self._reader.leader_epochs()

    def pause(self, partition: int) -> None:
        self._reader.pause(partition)

    def close(self) -> None:
        self._reader.close()


@dataclass(frozen=True)
class Rereading:
    """What is read again, and by which rules."""

    reader: RangeReader
    judge: Judge
    sources: Mapping[int, Source]
    stop: threading.Event
    beat: Callable[[], None] = lambda: None

    def chunks(self, start: Mapping[int, int], ends: Mapping[int, int], run: int = 0) -> Iterator[RereadChunk]:
        """Chunk by chunk to the ends, or until `stop`."""
        position = dict(start)
        self.reader.assign(position, ends)
        while any(position[partition] < end for partition, end in ends.items()) and not self.stop.is_set():
            intake = Intake(
                self.reader,
                self.sources,
                position,
                ends,
                rows=self.judge.feed.chunk_rows,
                batch=500,
                stop=self.stop,
                beat=self.beat,
            )
            yield self._chunk(intake, run)
            position = intake.position()

    def entry(self, refused: RefusedRow) -> RefusedRow:
        """A row that the database refuses, as quarantine names it: a message of our own form is one entry."""
        return refused if self.judge.feed.read else replace(refused, row=-1)

    def _chunk(self, intake: Intake, run: int) -> RereadChunk:
        record, refused = ChunkRecord(self.sources), list[RefusedRow]()

        def refuse(message: Message, row: int, _: bytes | None, error: Exception, __: Envelope) -> None:
            source = record.sources[message.partition()]
            refused.append(RefusedRow(source, message.offset(), row, self.judge.reason(error)))

        blocks = list(Batch(self.judge, None, record, run, refuse).blocks(intake))
        spans = intake.moved_spans()
        return RereadChunk(spans, blocks, refused, record.rows(spans))


def open_rereading(
    settings: Settings,
    feed: Feed,
    sources: Mapping[int, Source],
    stop: threading.Event,
    beat: Callable[[], None] = lambda: None,
) -> Rereading:
    """Open a reader of the feed's responses. Whoever calls closes it."""
    topic = feed.topic("response", settings.topic_prefix)
    reader = RangeReader(Reader(settings, topic, f"{settings.domain}.{feed.name}.again"))
    return Rereading(reader, Judge(feed), sources, stop, beat)


def gap_before(topic: str, partition: int, first: int, last: int, low: int) -> OffsetGap:
    """The failure that names which of the offsets from first to last are gone, and which are still there."""
    gone = f"{topic}[{partition}]: offsets {first:,} to {min(low, last + 1) - 1:,} are no longer in Kafka (retention)"
    if low > last:
        return OffsetGap(f"{gone}: nothing of the range is left")
    return OffsetGap(f"{gone}; what is left: --offsets {topic}/{partition}:{low}-{last}")
