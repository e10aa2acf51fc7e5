"""A chunk's messages as lines of COPY text. Called by sub, and by what reads recorded offsets again.

messages ─▶ groups of equal headers ─▶ judge ─▶ a line                     all of a group together, if all are good
                                         ├────▶ refuse                     bad: the caller says what becomes of it
                                         └────▶ record: set aside by date, late, counted for its response
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from catalog import Envelope, Kind, Unreadable
from ledger import chunk
from steps.drain.headers import by_headers
from steps.load.dates import LOAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from catalog.message import Headers
    from ledger.chunk import ResponseTally
    from steps.drain.intake import Intake
    from steps.drain.kafka import Message
    from steps.load.dates import Dates
    from steps.load.judge import Judge
    from steps.load.record import ChunkRecord

Refuse = Callable[["Message", int, bytes | None, Exception, Envelope], None]
"""What to do with a bad row: message, number (-1: the whole message), value, what is wrong, envelope."""


class Lineage(dict[int, str]):
    """A message's time in milliseconds → how its rows' lines go on: time, seq, run. Most of a batch share a few."""

    def __init__(self, seq: int, run: int) -> None:
        super().__init__()
        self._rest = f"{seq}\t{run}"

    def __missing__(self, milliseconds: int) -> str:
        line = self[milliseconds] = f"{_time(milliseconds)}\t{self._rest}"
        return line


@dataclass
class Group:
    """What messages of equal headers share. `tally`: where their response is counted."""

    envelope: Envelope
    lineage: Lineage
    tally: ResponseTally | None

    def count(self, rows: int) -> None:
        if self.tally is not None:
            self.tally.rows += rows


class Batch:
    """One chunk's lines. `dates` None: base dates are not judged."""

    def __init__(self, judge: Judge, dates: Dates | None, record: ChunkRecord, run: int, refuse: Refuse) -> None:
        self._judge, self._dates, self._record, self._run, self._refuse = judge, dates, record, run, refuse
        self._day: Callable[[dict[str, Any]], str] = itemgetter(judge.feed.base_date or "")

    def blocks(self, intake: Intake) -> Iterator[bytes]:
        """COPY text, a block for each batch of messages."""
        lines_of = self._outside_lines if self._judge.feed.read else self._own_lines
        for messages in intake.batches():
            lines: list[str] = []
            set_aside = self._record.size
            for headers, alike in by_headers(messages):
                lines += lines_of(headers, alike)
            block = "".join(lines).encode()
            intake.count(max(0, len(lines) - len(messages)), len(block) + self._record.size - set_aside)
            if block:
                yield block

    def _own_lines(self, headers: Headers | None, alike: Sequence[Message]) -> Iterable[str]:
        """Our own form, one row a message. Together when nothing is wrong with any, otherwise one by one."""
        try:
            group = self._group(Envelope.of(headers))
        except Unreadable as error:
            return self._refuse_all(alike, error)
        if group.envelope.kind is not Kind.ROW:
            for message in alike:
                self._record.add_rows(message, 0)
            return []
        group.count(len(alike))
        try:
            return self._together(group, alike)
        except (ValidationError, Unreadable):
            return self._one_by_one(group, alike)

    def _together(self, group: Group, alike: Sequence[Message]) -> Iterable[str]:
        """The hot loop of the whole product: each call in it is 2% of a run."""
        rows, plain = self._judge.all_rows([message.value() for message in alike])
        days = set(map(self._day, rows)) if self._dates else set()
        if self._dates and not self._dates.are_plain(days):
            return self._one_by_one(group, alike)
        line, sources, lineage = self._judge.line, self._record.sources, group.lineage
        where = [sources[message.partition()] for message in alike]
        if plain:
            lines = [
                line % (source, message.offset(), 0, lineage[message.timestamp()[1]], *row.values())
                for source, message, row in zip(where, alike, rows, strict=True)
            ]
        else:
            lines = [self._line(group, message, 0, row) for message, row in zip(alike, rows, strict=True)]
        if self._dates:
            late = self._dates.are_late(days, lineage)
            if late is None:
                times = [(message.timestamp()[1], self._day(row)) for message, row in zip(alike, rows, strict=True)]
                where = [source for source, each in zip(where, times, strict=True) if self._dates.is_late(*each)]
            self._record.late.update(where if late is not False else ())
        return lines

    def _one_by_one(self, group: Group, alike: Sequence[Message]) -> Iterator[str]:
        for message in alike:
            try:
                value = self._judge.readable(message.value())
                row = self._judge.validate(value)
            except (ValidationError, Unreadable) as error:
                self._refuse(message, -1, message.value(), error, group.envelope)
            else:
                yield from self._in_time(group, message, -1, row, value)

    def _outside_lines(self, headers: Headers | None, alike: Sequence[Message]) -> Iterator[str]:
        """Outside responses: a message may hold many rows, and each stands or falls alone."""
        for message in alike:
            group = self._group(Envelope())
            try:
                group = self._group(Envelope.of(headers))
                said, values = self._judge.outside(message.value(), message.key(), headers or [])
            except Unreadable as error:
                self._refuse(message, -1, message.value(), error, group.envelope)
                continue
            if said is not None:
                group = self._group(said)
            self._record.add_rows(message, len(values))
            group.count(len(values))
            yield from self._row_lines(group, message, values)

    def _row_lines(self, group: Group, message: Message, values: Sequence[bytes]) -> Iterator[str]:
        for number, value in enumerate(values):
            try:
                row = self._judge.validate(value)
            except ValidationError as error:
                self._refuse(message, number, value, error, group.envelope)
            else:
                yield from self._in_time(group, message, number, row, value)

    def _in_time(self, group: Group, message: Message, number: int, row: dict[str, Any], value: bytes) -> Iterator[str]:
        """A good row's line, unless its base date sets it aside."""
        if self._dates:
            ruling = self._dates.ruling(self._day(row))
            if ruling is not LOAD:
                return self._record.add_set_aside(message, number, value, ruling, group.envelope, by_date=True)
            if self._dates.is_late(message.timestamp()[1], self._day(row)):
                self._record.add_late(message)
        yield self._line(group, message, max(number, 0), row)

    def _line(self, group: Group, message: Message, number: int, row: dict[str, Any]) -> str:
        where = (self._record.sources[message.partition()], message.offset(), number)
        return self._judge.line % (*where, group.lineage[message.timestamp()[1]], *self._judge.encode(row))

    def _group(self, envelope: Envelope) -> Group:
        return Group(envelope, Lineage(envelope.seq, self._run), self._record.tally(envelope))

    def _refuse_all(self, alike: Sequence[Message], error: Unreadable) -> Sequence[str]:
        for message in alike:
            self._refuse(message, -1, message.value(), error, Envelope())
        return []


def _time(milliseconds: int) -> str:
    """A message's own time as SQL."""
    within = min(max(milliseconds, 0), chunk.LATEST)
    return datetime.fromtimestamp(within // 1000, UTC).replace(microsecond=within % 1000 * 1000).isoformat()
