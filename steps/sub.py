"""sub: the response topic into the feed's table. Sets aside what is bad, loads the rest once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ledger import chunk, rows, schema
from ledger.chunk import ChunkResult
from steps.drain.drain import Patience, drain
from steps.load.batch import Batch
from steps.load.dates import open_dates
from steps.load.judge import Judge
from steps.load.quarantine import Quarantine
from steps.load.record import ChunkRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog import Feed
    from ledger.chunk import Source
    from ledger.database import Connection
    from ledger.lease import Lease
    from steps.drain.intake import Intake
    from steps.drain.kafka import Reader
    from steps.load.dates import Dates
    from steps.run.execution import Execution, Outcome


def sub(execution: Execution, feed: Feed, patience: Patience | None = None) -> Outcome:
    """Drain the feed's responses into its table."""
    sink = Sub(feed, execution.settings.topic_prefix, open_dates(execution, feed))
    return drain(execution, feed, sink, patience)


class Sub:
    """The sink of sub: one chunk becomes one COPY, or one merge once a key exists."""

    stage, batch, shares = "sub", 500, True

    def __init__(self, feed: Feed, prefix: str = "", dates: Dates | None = None) -> None:
        self.topic, self.markers = feed.topic("response", prefix), feed.writes_markers
        self._feed, self._table = feed, rows.Table(feed)
        self._judge, self._dates = Judge(feed), dates
        self._merging = self._checked = False
        self._late = 0

    def open(self, held: Lease, reader: Reader, sources: Mapping[int, Source]) -> None:
        self._lease, self._reader, self._sources = held, reader, sources

    def gather(self, intake: Intake) -> None:
        """Nothing: messages are read while they are copied."""

    def load(self, connection: Connection, intake: Intake) -> ChunkResult:
        if not self._checked:  # once a run: a column of another type would round without a word
            schema.check_table(connection, self._feed)
            self._checked = True
        record = ChunkRecord(self._sources)
        quarantine = Quarantine(self._judge, record, chunk.recent_bad(connection, self._lease.key))
        batch = Batch(self._judge, self._dates, record, self._lease.run, quarantine.refuse)
        merged = rows.load(
            connection, self._table, batch.blocks(intake), merging=self._merging, alone=self._lease.alone
        )
        if merged:
            self._merging = True
            for refused in merged.refused:
                quarantine.refuse_by_database(refused, self._reader)
        record.write(intake.moved_spans(), merged)
        self._late += record.late.total()
        return ChunkResult(record.set_aside, record.tallies)

    def outcome(self, outcome: Outcome) -> Outcome:
        if self._dates is None:
            return outcome
        calendar = {"calendar": self._dates.calendar} if self._dates.calendar else {}
        return replace(outcome, counts={**outcome.counts, "late": self._late, **calendar})


__all__ = ["Sub", "sub"]
