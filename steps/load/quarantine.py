"""Where sub's bad rows go: into quarantine, as far as the feed's budget reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog import Envelope
from ledger.errors import DataRefused
from steps.load.dates import Ruling

if TYPE_CHECKING:
    from ledger.chunk import RecentBad
    from ledger.merge import RefusedRow
    from steps.drain.kafka import Message, Reader
    from steps.load.judge import Judge
    from steps.load.record import ChunkRecord


class Quarantine:
    """One chunk's bad rows. `recent`: those of the last ten spans, which have used up some of the budget."""

    def __init__(self, judge: Judge, record: ChunkRecord, recent: RecentBad) -> None:
        self._judge, self._record = judge, record
        self._rows, self._bytes = recent.rows, recent.bytes

    def refuse(self, message: Message, row: int, value: bytes | None, error: Exception, envelope: Envelope) -> None:
        """Set a bad row aside. Raises DataRefused when the budget is used up."""
        feed, reason = self._judge.feed, self._judge.reason(error)
        self._record.add_set_aside(message, row, value, Ruling("quarantined", reason), envelope, by_date=False)
        self._rows += 1
        self._bytes += self._record.set_aside[-1].size
        if self._rows > feed.max_bad or self._bytes > feed.max_bad_bytes:
            much = f"{feed.max_bad}" if self._rows > feed.max_bad else f"{feed.max_bad_bytes:,} bytes of"
            raise DataRefused(
                f"more than {much} bad rows in the last ten spans; nothing of this chunk was loaded. "
                f"The last one, {message.partition()}@{message.offset()}: {self._judge.cause(error)}"
            )

    def refuse_by_database(self, refused: RefusedRow, reader: Reader) -> None:
        """A row that only the database refuses. Its message is read again: quarantine holds all of it."""
        message = reader.fetch(self._record.partition(refused.source), refused.offset)
        envelope, row, value = Envelope.of(message.headers()), -1, message.value()
        if self._judge.feed.read:
            said, values = self._judge.outside(value, message.key(), message.headers() or [])
            envelope, row, value = said or envelope, refused.row, values[refused.row]
        self.refuse(message, row, value, ValueError(refused.reason), envelope)
