"""What became of a chunk's rows: set aside, late, or counted for their response. What COPY loaded is the rest."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ledger.chunk import ResponseTally, SetAside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from catalog import Envelope
    from ledger.chunk import Source, Span
    from ledger.merge import MergeResult
    from steps.drain.kafka import Message
    from steps.load.dates import Ruling


class ChunkRecord:
    """One chunk's record: written while its messages are read, then added to its spans."""

    def __init__(self, sources: Mapping[int, Source]) -> None:
        self.sources = {partition: source.id for partition, source in sources.items()}
        self.set_aside: list[SetAside] = []
        self.size = 0
        """Bytes of what was set aside."""
        self.tallies: dict[UUID, ResponseTally] = {}
        self.late: Counter[int] = Counter()
        """Source → its rows that came after their due time."""
        self._extra: Counter[int] = Counter()

    def partition(self, source: int) -> int:
        """The partition that a source reads."""
        return next(partition for partition, each in self.sources.items() if each == source)

    def add_rows(self, message: Message, count: int) -> None:
        """A message that does not hold one row: an outside message has many, one of kind `empty` none."""
        self._extra[self.sources[message.partition()]] += count - 1

    def add_late(self, message: Message) -> None:
        self.late[self.sources[message.partition()]] += 1

    def tally(self, envelope: Envelope) -> ResponseTally | None:
        """Where the rows of the envelope's response are counted; None without a correlation id."""
        if envelope.correlation_id is None:
            return None
        first = ResponseTally(envelope.base_date, envelope.seq, envelope.kind, envelope.reason, envelope.count)
        return self.tallies.setdefault(envelope.correlation_id, first)

    def add_set_aside(
        self, message: Message, row: int, value: bytes | None, ruling: Ruling, envelope: Envelope, *, by_date: bool
    ) -> None:
        """A row, or (row -1) a whole message, for quarantine."""
        added = SetAside(
            source=self.sources[message.partition()],
            offset=message.offset(),
            row=row,
            fate=ruling.fate,
            reason=ruling.reason,
            until=ruling.until,
            by_date=by_date and ruling.fate == "quarantined",
            key=message.key(),
            value=value,
            headers=message.headers() or [],
            sent_at=message.timestamp()[1],
            correlation_id=envelope.correlation_id,
            seq=envelope.seq,
        )
        self.size += added.size
        self.set_aside.append(added)

    def rows(self, spans: Sequence[Span]) -> int:
        """How many rows the records of these spans held, once all of them were read."""
        return sum(span.records + self._extra[span.source] for span in spans)

    def write(self, spans: Sequence[Span], merged: MergeResult | None) -> None:
        """Write the fates of the chunk's rows into its spans."""
        set_aside = Counter((each.source, each.fate) for each in self.set_aside)
        for span in spans:
            fates = span.fates
            fates.read = self.rows([span])
            fates.quarantined, fates.deferred = (
                set_aside[span.source, "quarantined"],
                set_aside[span.source, "deferred"],
            )
            span.late = self.late[span.source]
            if merged:
                of_source = merged.fates[span.source]
                fates.loaded, fates.superseded, fates.duplicate = (of_source[name] for name in MERGED)
                span.replaced = dict(merged.replaced[span.source])
            else:
                fates.loaded = fates.read - fates.quarantined - fates.deferred


MERGED = ("loaded", "superseded", "duplicate")
