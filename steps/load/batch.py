"""One chunk's rows on their way into the table: COPY text, rows for quarantine, and the answers that they belong to."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from catalog import Envelope, Kind, Unreadable
from ledger import chunk, rows
from ledger.chunk import ResponseTally, SetAside
from ledger.errors import DataRefused
from steps.drain.headers import by_headers
from steps.load.dates import LOAD, Ruling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from catalog.message import Headers
    from ledger.chunk import Source
    from steps.drain.intake import Intake
    from steps.drain.kafka import Message, Reader
    from steps.load.dates import Dates
    from steps.load.judge import Judge


class Lineage(dict[int, str]):
    """A message's time in milliseconds → how its rows' lines go on: time, seq, run. Most of a batch share a few."""

    def __init__(self, seq: int, run: int) -> None:
        super().__init__()
        self._rest = f"{seq}\t{run}"

    def __missing__(self, milliseconds: int) -> str:
        line = self[milliseconds] = f"{_time(milliseconds)}\t{self._rest}"
        return line


class Portion:
    """One chunk's rows on their way: encoded blocks, bad rows, and which answers they belong to."""

    def __init__(self, judge: Judge, dates: Dates | None, sources: Mapping[int, Source], run: int, budget: int) -> None:
        self._judge, self._dates, self._run, self._budget = judge, dates, run, budget
        self._day: Callable[[dict[str, Any]], str] = itemgetter(judge.feed.base_date or "")
        self._sources = {partition: source.id for partition, source in sources.items()}
        self._partitions = {source: partition for partition, source in self._sources.items()}
        self._beyond: dict[int, int] = dict.fromkeys(self._sources.values(), 0)
        """Source → its rows beyond one a message: an outside message has many, one of kind `empty` none."""
        self._enter(None)
        self.kept: list[SetAside] = []
        self.kept_blocks: list[bytes] = []
        self.late: Counter[int] = Counter()
        """Source → its rows that came after their due time."""
        self._bad = 0
        self._kept_bytes = 0
        self.answered: dict[UUID, ResponseTally] = {}

    def blocks(self, intake: Intake) -> Iterator[bytes]:
        """COPY text, a block a batch, kept for a merge that may have to start over."""
        lines = self._outside_lines if self._judge.feed.read else self._lines
        for batch in intake.batches():
            encoded: list[str] = []
            self._kept_bytes = 0
            for headers, alike in by_headers(batch):
                encoded += lines(headers, alike)
            block = "".join(encoded).encode()
            intake.count(max(0, len(encoded) - len(batch)), len(block) + self._kept_bytes)
            if block:
                self.kept_blocks.append(block)
                yield block

    def _lines(self, headers: Headers | None, alike: Sequence[Message]) -> Iterable[str]:
        """Our own form, one row a message. Together when nothing is wrong with any, otherwise one by one."""
        try:
            self._enter(headers)
        except Unreadable as error:
            return self._keep_all(alike, error)
        if self._envelope.kind is not Kind.ROW:
            for message in alike:
                self._beyond[self._sources[message.partition()]] -= 1
            return []
        if self._answer is not None:
            self._answer.settled += len(alike)
        try:
            return self._together(alike)
        except (ValidationError, Unreadable):
            return self._one_by_one(alike)

    def _together(self, alike: Sequence[Message]) -> list[str]:
        """The hot loop of the whole product: each call in it is 2% of a run."""
        found, plain = self._judge.all_rows([message.value() for message in alike])
        days = set(map(self._day, found)) if self._dates else set()
        if self._dates and not self._dates.are_plain(days):
            return list(self._one_by_one(alike))
        line, sources, lineage = self._judge.line, self._sources, self._lineage
        where = [sources[message.partition()] for message in alike]
        if plain:
            lines = [
                line % (source, message.offset(), 0, lineage[message.timestamp()[1]], *row.values())
                for source, message, row in zip(where, alike, found, strict=True)
            ]
        else:
            lines = [self._line(message, 0, row) for message, row in zip(alike, found, strict=True)]
        if self._dates:
            self._count_late(self._dates, days, where, alike, found)
        return lines

    def _count_late(
        self,
        dates: Dates,
        days: set[str],
        where: Sequence[int],
        alike: Sequence[Message],
        found: Sequence[dict[str, Any]],
    ) -> None:
        """Count what came after its due time. `_lineage` knows the few times of these messages: they mostly tell."""
        dues = [dates.due(day) for day in days]
        if max(self._lineage) <= min(dues):
            return
        if min(self._lineage) <= max(dues):
            pairs = zip(where, alike, found, strict=True)
            where = [source for source, message, row in pairs if message.timestamp()[1] > dates.due(self._day(row))]
        self.late.update(where)

    def _one_by_one(self, alike: Sequence[Message]) -> Iterator[str]:
        for message in alike:
            try:
                value = self._judge.readable(message.value())
                row = self._judge.validate(value)
            except (ValidationError, Unreadable) as error:
                self._keep_bad(message, -1, error, message.value())
            else:
                yield from self._dated(message, -1, row, value)

    def _dated(self, message: Message, number: int, row: dict[str, Any], value: bytes) -> Iterator[str]:
        """A good row's line, unless its base date keeps it."""
        if self._dates:
            ruling = self._dates.ruling(self._day(row))
            if ruling is not LOAD:
                return self._keep(message, number, value, ruling)
            if message.timestamp()[1] > self._dates.due(self._day(row)):
                self.late[self._sources[message.partition()]] += 1
        yield self._line(message, max(number, 0), row)

    def _outside_lines(self, headers: Headers | None, alike: Sequence[Message]) -> Iterator[str]:
        """Outside responses: a message may hold many rows, and each stands or falls alone."""
        for message in alike:
            try:
                self._enter(headers)
                said, found = self._judge.outside(message.value(), message.key(), headers or [])
                if said is not None:
                    self._open(said)
            except Unreadable as error:
                self._keep_bad(message, -1, error, message.value())
                continue
            self._beyond[self._sources[message.partition()]] += len(found) - 1
            if self._answer is not None:
                self._answer.settled += len(found)
            yield from self._rows(message, found)

    def _rows(self, message: Message, found: Sequence[bytes]) -> Iterator[str]:
        for number, value in enumerate(found):
            try:
                row = self._judge.validate(value)
            except ValidationError as error:
                self._keep_bad(message, number, error, value)
            else:
                yield from self._dated(message, number, row, value)

    def _line(self, message: Message, number: int, row: dict[str, Any]) -> str:
        where = (self._sources[message.partition()], message.offset(), number)
        return self._judge.line % (*where, self._lineage[message.timestamp()[1]], *self._judge.encode(row))

    def _enter(self, headers: Headers | None) -> None:
        """Take in headers: the messages that follow share them. Raises Unreadable, and then knows of none."""
        self._envelope, self._lineage = Envelope(), Lineage(0, self._run)
        self._answer: ResponseTally | None = None
        if headers:
            self._open(Envelope.of(headers))

    def _open(self, envelope: Envelope) -> None:
        """The rows that follow are this envelope's."""
        self._envelope, self._answer = envelope, None
        self._lineage = Lineage(envelope.seq, self._run)
        if envelope.correlation_id is not None:
            said = (envelope.base_date, envelope.seq, envelope.kind, envelope.reason, envelope.count)
            self._answer = self.answered.setdefault(envelope.correlation_id, ResponseTally(*said))

    def _keep_all(self, messages: Sequence[Message], error: Unreadable) -> list[str]:
        for message in messages:
            self._keep_bad(message, -1, error, message.value())
        return []

    def _keep_bad(self, message: Message, row: int, error: Exception, value: bytes | None) -> None:
        """Quarantine, within the budget. Raises DataRefused."""
        reason = self._judge.reason(error)
        self._keep(message, row, value, Ruling("quarantined", reason), by_date=False)
        self._bad += 1
        if self._bad > self._budget:
            raise DataRefused(
                f"more than {self._judge.feed.max_bad} bad rows in the last ten spans; nothing of this chunk was "
                f"loaded. The last one, {message.partition()}@{message.offset()}: {reason}"
            )

    def _keep(self, message: Message, row: int, value: bytes | None, ruling: Ruling, *, by_date: bool = True) -> None:
        self._kept_bytes += len(value or b"")
        self.kept.append(
            SetAside(
                source=self._sources[message.partition()],
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
                correlation_id=self._envelope.correlation_id,
                seq=self._envelope.seq,
            )
        )

    def keep_refused(self, refused: rows.Refused, reader: Reader) -> None:
        """A row that only the database refuses: read its message again, for quarantine keeps it whole."""
        message = reader.fetch(self._partitions[refused.source], refused.offset)
        if self._judge.feed.read is None:
            self._envelope = Envelope.of(message.headers())
            self._keep_bad(message, -1, ValueError(refused.reason), message.value())
        else:
            said, found = self._judge.outside(message.value(), message.key(), message.headers() or [])
            self._envelope = said or Envelope.of(message.headers())
            self._keep_bad(message, refused.row, ValueError(refused.reason), found[refused.row])

    def book(self, intake: Intake, merged: rows.Merged | None) -> None:
        """The fates of the chunk's rows, into its spans."""
        kept = Counter((each.source, each.fate) for each in self.kept)
        for span in intake.moved_spans():
            fates = span.fates
            fates.read = span.records + self._beyond[span.source]
            fates.quarantined, fates.deferred = kept[span.source, "quarantined"], kept[span.source, "deferred"]
            whole = {"loaded": fates.read - fates.quarantined - fates.deferred}
            found = merged.fates[span.source] if merged else whole
            span.late = self.late[span.source]
            fates.loaded = found.get("loaded", 0)
            fates.superseded = found.get("superseded", 0)
            fates.duplicate = found.get("duplicate", 0)
            if merged:
                span.replaced = dict(merged.replaced[span.source])


def _time(milliseconds: int) -> str:
    """A message's own time as SQL."""
    within = min(max(milliseconds, 0), chunk.LATEST)
    return datetime.fromtimestamp(within // 1000, UTC).replace(microsecond=within % 1000 * 1000).isoformat()
