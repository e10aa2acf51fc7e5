"""Read again what was settled, and judge it as today's feed does. Called by replay and by `verify --deep`.

    [from, to) of some partitions ──▶ Again ──Intake──▶ Portion: lines for COPY, and what today's feed refuses

The intake, the judge and the lines are sub's own; only the range's end is new, and that nothing is moved or kept.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import OffsetGap
from steps.drain.intake import Intake
from steps.drain.kafka import Reader
from steps.load.batch import Portion
from steps.load.judge import Judge

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

    from catalog import Feed
    from ledger.chunk import Source
    from ledger.rows import Refused
    from steps.drain.kafka import Message
    from steps.run.settings import Settings


@dataclass(frozen=True)
class Unread:
    """A record, or a row of it, that today's feed refuses."""

    source: int
    offset: int
    row: int
    reason: str


class Passage(Portion):
    """A portion that keeps no bad row whole: Kafka still has it."""

    def __init__(self, judge: Judge, sources: Mapping[int, Source], run: int) -> None:
        super().__init__(judge, None, sources, run, budget=sys.maxsize)
        self.unread: list[Unread] = []

    def _keep_bad(self, message: Message, row: int, error: Exception, value: bytes | None) -> None:  # noqa: ARG002 -- sub's form
        self.unread.append(Unread(self._sources[message.partition()], message.offset(), row, self._judge.reason(error)))

    def refuse(self, refused: Refused) -> None:
        """A row that only the database refuses."""
        row = -1 if self._judge.feed.read is None else refused.row
        self.unread.append(Unread(refused.source, refused.offset, row, refused.reason))

    def rows(self, intake: Intake) -> int:
        """How many rows the records held; to be asked when all blocks were taken."""
        return sum(span.records + self._beyond[span.source] for span in intake.moved_spans())


class Again(Reader):
    """A reader that ends where a settled range ends: what comes after it is not ours to read."""

    def __init__(self, settings: Settings, topic: str, group: str) -> None:
        super().__init__(settings, topic, group)
        self._until: Mapping[int, int] = {}

    def between(self, start: Mapping[int, int], ends: Mapping[int, int]) -> None:
        """Read these partitions from here to there."""
        self._until = ends
        self.assign(start)

    def read(self, limit: int = 500, seconds: float = 0.05) -> list[Message]:
        return [each for each in super().read(limit, seconds) if each.offset() < self._until[each.partition()]]

    def positions(self) -> dict[int, int]:
        return {partition: min(at, self._until[partition]) for partition, at in super().positions().items()}


@dataclass(frozen=True)
class Rereading:
    """What is read again, and with whose eyes."""

    reader: Again
    judge: Judge
    sources: Mapping[int, Source]
    stop: threading.Event
    beat: Callable[[], None] = lambda: None

    def passages(
        self, start: Mapping[int, int], ends: Mapping[int, int], run: int = 0
    ) -> Iterator[tuple[Intake, Passage]]:
        """Chunk by chunk to the ends; the caller takes each passage's blocks before it asks for the next."""
        position = dict(start)
        self.reader.between(position, ends)
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
            yield intake, Passage(self.judge, self.sources, run)
            position = intake.position()


def rereading(
    settings: Settings,
    feed: Feed,
    sources: Mapping[int, Source],
    stop: threading.Event,
    beat: Callable[[], None] = lambda: None,
) -> Rereading:
    """Open a reader of the feed's responses. Whoever calls closes it."""
    topic = feed.topic("response", settings.topic_prefix)
    reader = Again(settings, topic, f"{settings.domain}.{feed.name}.again")
    return Rereading(reader, Judge(feed), sources, stop, beat)


def left(topic: str, partition: int, first: int, last: int, low: int) -> OffsetGap:
    """The failure that names what is left of the offsets from first to last."""
    gone = f"{topic}[{partition}]: offsets {first:,} to {min(low, last + 1) - 1:,} are no longer in Kafka (retention)"
    if low > last:
        return OffsetGap(f"{gone}: nothing of the range is left")
    return OffsetGap(f"{gone}; what is left: --offsets {topic}/{partition}:{low}-{last}")
