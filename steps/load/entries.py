"""Entries of quarantine on their way into the table: read, judged, and marked with what became of them.

entry ─▶ content: its row, or the rows of the message that it is ─▶ judged ─▶ a line of COPY text ─▶ marks
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from catalog import Envelope, Kind, Unreadable
from ledger.chunk import Fates, ResponseTally
from ledger.quarantine import Mark
from steps.load.batch import Lineage
from steps.load.dates import LOAD, Ruling

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from ledger.merge import ReloadResult
    from ledger.quarantine import Entry, Key
    from steps.load.dates import Dates
    from steps.load.judge import Judge


@dataclass(frozen=True)
class Resolution:
    """What became of one entry: `loaded` and the like, or `quarantined`, `deferred` where it is not resolved."""

    entry: str
    became: str
    why: str = ""


@dataclass
class EntryRow:
    """One row of an entry: for the table (`ruling` is LOAD), or why it is not resolved."""

    number: int
    value: bytes | None
    ruling: Ruling = LOAD
    by_date: bool = False
    became: str | None = None
    replaced: int | None = None

    @property
    def fate(self) -> str:
        return self.became or self.ruling.fate

    def refuse(self, reason: str) -> None:
        self.ruling = Ruling("quarantined", reason)


@dataclass
class EntryContent:
    """An entry and what is in it: its row, or (`split`) the rows of the message that it is."""

    entry: Entry
    rows: list[EntryRow]
    split: bool = False
    envelope: Envelope = field(default_factory=Envelope)

    def resolution(self) -> Resolution:
        if not self.split:
            [row] = self.rows
            replaced = f"in the place of run {row.replaced}'s row" if row.replaced else ""
            return Resolution(self.entry.label, row.fate, row.ruling.reason or replaced)
        counts = Counter(row.fate for row in self.rows)
        reasons = [row.ruling.reason for row in self.rows if row.ruling.reason][:1]
        why = "; ".join([*(f"{count} {fate}" for fate, count in counts.items()), *reasons])
        return Resolution(self.entry.label, "split", why)

    def marks(self, *, mended: bool) -> list[Mark]:
        """What is recorded of the entry, and of each row of a message that was split. `mended`: with another value."""
        entry = self.entry
        if self.split:
            parts = [
                _mark((entry.source, entry.offset, row.number), row, part=True, envelope=self.envelope)
                for row in self.rows
            ]
            return [Mark(entry.id, "split", parts=len(parts)), *parts]
        [row] = self.rows
        if row.became is None and mended:
            return []  # the original keeps its own reason; the journal has this one
        return [_mark(entry.id, row)]


class EntryBatch:
    """Entries that one transaction takes. `values`: what stands in the place of an entry's own value."""

    def __init__(self, judge: Judge, dates: Dates | None, values: Mapping[Key, bytes], run: int) -> None:
        self._judge, self._dates, self._values, self._run = judge, dates, values, run
        self._rows: dict[Key, EntryRow] = {}
        """Where a row is from, as the table has it → the row."""
        self.contents: list[EntryContent] = []
        self.lines: list[str] = []
        self.tallies: dict[UUID, ResponseTally] = {}

    def add(self, entry: Entry) -> None:
        """Read an entry, and write a line of COPY text for each of its good rows."""
        try:
            content = self._read(entry)
        except Unreadable as error:
            content = EntryContent(entry, [EntryRow(-1, None, Ruling("quarantined", str(error)))])
        else:
            self._count(content)
            sent = round(entry.sent_at.timestamp() * 1000) if entry.sent_at else 0
            lineage = Lineage(content.envelope.seq, self._run)[sent]
            for row in content.rows:
                self._judge_row(entry, row, lineage)
        self.contents.append(content)

    def _read(self, entry: Entry) -> EntryContent:
        """What is in an entry. Raises Unreadable."""
        value, headers = self._values.get(entry.id, entry.value), headers_of(entry)
        envelope = Envelope.of(headers)
        if entry.row >= 0:  # its message was read when it was set aside, and its response counted
            seq = envelope.seq if entry.seq is None else entry.seq
            return EntryContent(entry, [EntryRow(entry.row, self._judge.readable(value))], envelope=Envelope(seq=seq))
        if self._judge.feed.read:
            said, values = self._judge.outside(value, entry.key, headers)
            rows = [EntryRow(number, each) for number, each in enumerate(values)]
            return EntryContent(entry, rows, split=True, envelope=said or envelope)
        if envelope.kind is not Kind.ROW:
            return EntryContent(entry, [], split=True, envelope=envelope)
        return EntryContent(entry, [EntryRow(0, self._judge.readable(value))], envelope=envelope)

    def _count(self, content: EntryContent) -> None:
        """Count rows for their response where sub could not: the message's headers were not readable then."""
        entry, said = content.entry, content.envelope
        if said.correlation_id is None or (entry.correlation_id is not None and not content.split):
            return
        first = ResponseTally(said.base_date, said.seq, said.kind, said.reason, said.count)
        self.tallies.setdefault(said.correlation_id, first).rows += len(content.rows)

    def _judge_row(self, entry: Entry, row: EntryRow, lineage: str) -> None:
        assert row.value is not None  # noqa: S101 -- only what could be read is judged
        try:
            values = self._judge.validate(row.value)
        except ValidationError as error:
            return row.refuse(self._judge.reason(error))
        if self._dates:
            row.ruling = self._dates.ruling(values[self._judge.feed.base_date or ""])
            row.by_date = row.ruling.fate == "quarantined"
        if row.ruling is LOAD:
            key = (entry.source, entry.offset, row.number)
            self._rows[key] = row
            self.lines.append(self._judge.line % (*key, lineage, *self._judge.encode(values)))
        return None

    def add_result(self, result: ReloadResult) -> None:
        """Note what the merge did with each row."""
        for key, (fate, replaced) in result.each.items():
            self._rows[key].became, self._rows[key].replaced = fate, replaced
        for refused in result.refused:
            self._rows[refused.source, refused.offset, refused.row].refuse(refused.reason)

    def marks(self) -> list[Mark]:
        return [mark for each in self.contents for mark in each.marks(mended=each.entry.id in self._values)]

    def fates(self) -> Fates:
        counts = Counter(row.fate for content in self.contents for row in content.rows)
        return Fates(read=counts.total(), **counts)


def headers_of(entry: Entry) -> list[tuple[str, bytes | None]]:
    """The headers of an entry's message, in pairs as Kafka gave them."""
    names = [(name or b"").decode() for name in entry.headers[::2]]
    return list(zip(names, entry.headers[1::2], strict=True))


def _mark(key: Key, row: EntryRow, envelope: Envelope | None = None, *, part: bool = False) -> Mark:
    waits = row.became is None
    return Mark(
        key,
        row.became,
        row.replaced,
        fate=row.ruling.fate if waits else "quarantined",
        why=row.ruling.reason if waits else "its message was quarantined whole",
        until=row.ruling.until,
        by_date=row.by_date,
        part=part,
        value=row.value if waits and part else None,
        correlation_id=envelope.correlation_id if envelope else None,
        seq=envelope.seq if envelope else None,
    )
