"""A kept row is settled again: because its day has come (release, a stage), or by a person's word (redrive).

chosen entries ─▶ gate ─▶ sub's lease ─▶ fence the one before ─▶ batch, batch … ─▶ release ─▶ leave
                   HELD     BUSY                                  │
       one transaction: writer's lock, epoch, control row ─▶ lock the entries ─▶ judge ─▶ merge ─▶ mark

The row goes in as if it came now from where it came then: its own coordinates, time and seq, so that a newer row in the
table stays. Only entries that still wait are locked, so the same order again does nothing a second time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from pydantic import ValidationError

from catalog import Envelope, Kind, Unreadable
from ledger import chunk, control, journal, lease, quarantine, rows, schema
from ledger.chunk import Fates, ResponseTally
from ledger.database import commit
from ledger.errors import translated
from ledger.key import LeaseKey
from ledger.quarantine import Mark
from steps.drain.lease_keeper import exclusively
from steps.load import dates
from steps.load.batch import Lineage
from steps.load.dates import LOAD, Ruling
from steps.load.judge import Judge
from steps.run.execution import Execution, Outcome
from steps.run.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from catalog import Feed
    from ledger.lease import Lease
    from ledger.quarantine import Entry, Key
    from steps.drain.lease_keeper import Keeper
    from steps.load.dates import Dates

#: What one transaction takes: entries, and bytes of their values.
ENTRIES, BYTES = 500, 16 * 2**20


@dataclass(frozen=True)
class Order:
    """Who settles rows again, and why. `by_hand`: a block does not stop it, and the journal keeps it."""

    by: str
    reason: str
    by_hand: bool = True
    ask_calendar: bool = False
    fixed: Mapping[Key, bytes] = field(default_factory=dict)
    """What stands in the place of an entry's value."""


@dataclass(frozen=True)
class Told:
    """What became of one entry; `loaded` and the like, or `quarantined`, `deferred` where it waits on, and why."""

    entry: str
    became: str
    why: str = ""


class Resettling:
    """One run's settling of chosen entries. `told`: what became of each."""

    def __init__(self, execution: Execution, feed: Feed, order: Order) -> None:
        self._execution, self._feed, self._order = execution, feed, order
        self._judge, self._table = Judge(feed), rows.Table(feed)
        self._dates = dates.opened(execution, feed) if order.ask_calendar else None
        self._checked = False
        self._total = Fates()
        self.told: list[Told] = []

    def run(self, chosen: Mapping[int, Sequence[Key]]) -> Outcome:
        """Shard by shard, each under its lease; stops where one is busy."""
        for shard, keys in chosen.items():
            key = LeaseKey(self._feed.name, "sub", shard)
            outcome = exclusively(self._execution, key, partial(self._batches, keys))
            if outcome.status is not Status.SUCCEEDED:
                return self._leave(outcome)
        return self._leave(Outcome(Status.SUCCEEDED))

    def _batches(self, keys: Sequence[Key], held: Lease, keeper: Keeper) -> Outcome:
        for portion in quarantine.portions(self._execution.connection, keys, ENTRIES, BYTES):
            keeper.beat()
            if self._execution.stop.is_set():
                return Outcome(Status.STOPPED, reason=Status.STOPPED.sentence)
            if not self._batch(held, portion):
                return Outcome(Status.HELD, reason=Status.HELD.sentence)
        return Outcome(Status.SUCCEEDED)

    def _batch(self, held: Lease, keys: Sequence[Key]) -> bool:
        """One transaction, whole or not at all. False: the feed was held, nothing moved.

        A lost reply to COMMIT is told as it is: the same order again settles what is left.
        """
        connection, order = self._execution.connection, self._order
        with translated():
            lease.guard(connection, held)
            if not control.still_open(connection, self._feed.name, though_blocked=order.by_hand):
                connection.rollback()
                return False
            if not self._checked:
                schema.check_table(connection, self._feed)
                self._checked = True
            tray = Tray(self._judge, self._dates, order.fixed, held.run)
            for entry in quarantine.lock(connection, keys):
                tray.take(entry)
            tray.settle(rows.reload(connection, self._table, tray.lines))
            quarantine.book(connection, tray.marks(), held.run, order.by, order.reason)
            if tray.answered:
                chunk.record_answers(connection, held, tray.answered)
            if order.by_hand:
                self._write(tray, held)
        commit(connection)
        self._total.add(tray.fates())
        self.told += [each.told() for each in tray.opened]
        return True

    def _write(self, tray: Tray, held: Lease) -> None:
        """Into the journal, entry by entry, with the words that replaced the original's."""
        details = []
        for each in tray.opened:
            told, fixed = each.told(), self._order.fixed.get(each.entry.id)
            detail = {"entry": told.entry, "source": each.entry.source, "run": held.run, "became": told.became}
            if told.why:
                detail["why"] = chunk.storable(told.why)
            if fixed is not None:
                detail["fixed"] = fixed.decode(errors="backslashreplace").replace("\x00", "\\0")
            details.append(detail)
        order = self._order
        journal.write_each(self._execution.connection, "redrive", self._feed.name, order.by, order.reason, details)

    def _leave(self, outcome: Outcome) -> Outcome:
        asked = {"calendar": self._dates.calendar} if self._dates and self._dates.calendar else {}
        return replace(outcome, counts={**vars(self._total), **asked})


@dataclass
class Piece:
    """One row of an entry: for the table (`ruling` is LOAD), or why it waits on."""

    number: int
    value: bytes | None
    ruling: Ruling = LOAD
    by_date: bool = False
    became: str | None = None
    replaced: int | None = None

    @property
    def fate(self) -> str:
        return self.became or self.ruling.fate

    def keep(self, reason: str) -> None:
        self.ruling = Ruling("quarantined", reason)


@dataclass
class Opened:
    """An entry and what is in it: its row, or (`split`) the rows of the message that it is."""

    entry: Entry
    pieces: list[Piece]
    split: bool = False
    envelope: Envelope = field(default_factory=Envelope)

    def told(self) -> Told:
        if not self.split:
            [piece] = self.pieces
            replaced = f"in the place of run {piece.replaced}'s row" if piece.replaced else ""
            return Told(self.entry.label, piece.fate, piece.ruling.reason or replaced)
        counts = Counter(piece.fate for piece in self.pieces)
        reasons = [piece.ruling.reason for piece in self.pieces if piece.ruling.reason][:1]
        return Told(self.entry.label, "split", "; ".join([*(f"{n} {fate}" for fate, n in counts.items()), *reasons]))


class Tray:
    """One batch's entries on their way: opened, judged, and marked with what became of them."""

    def __init__(self, judge: Judge, dates: Dates | None, fixed: Mapping[Key, bytes], run: int) -> None:
        self._judge, self._dates, self._fixed, self._run = judge, dates, fixed, run
        self._pieces: dict[Key, Piece] = {}
        """Where a row is from, as the table has it → its piece."""
        self.opened: list[Opened] = []
        self.lines: list[str] = []
        self.answered: dict[UUID, ResponseTally] = {}

    def take(self, entry: Entry) -> None:
        """Open an entry, and write a line of COPY text for each of its rows that is good."""
        try:
            opened = self._open(entry)
        except Unreadable as error:
            opened = Opened(entry, [Piece(-1, None, Ruling("quarantined", str(error)))])
        else:
            self._answer(opened)
            sent = round(entry.sent_at.timestamp() * 1000) if entry.sent_at else 0
            lineage = Lineage(opened.envelope.seq, self._run)[sent]
            for piece in opened.pieces:
                self._judge_piece(entry, piece, lineage)
        self.opened.append(opened)

    def _open(self, entry: Entry) -> Opened:
        """What is in an entry. Raises Unreadable."""
        value, names = self._fixed.get(entry.id, entry.value), entry.headers[::2]
        headers = [((name or b"").decode(), said) for name, said in zip(names, entry.headers[1::2], strict=True)]
        envelope = Envelope.of(headers)
        if entry.row >= 0:  # its message was opened when it was kept, and its answer counted
            seq = envelope.seq if entry.seq is None else entry.seq
            return Opened(entry, [Piece(entry.row, self._judge.readable(value))], envelope=Envelope(seq=seq))
        if self._judge.feed.read:
            said, found = self._judge.outside(value, entry.key, headers)
            pieces = [Piece(number, each) for number, each in enumerate(found)]
            return Opened(entry, pieces, split=True, envelope=said or envelope)
        if envelope.kind is not Kind.ROW:
            return Opened(entry, [], split=True, envelope=envelope)
        return Opened(entry, [Piece(0, self._judge.readable(value))], envelope=envelope)

    def _answer(self, opened: Opened) -> None:
        """Rows of an answer that its message did not count for when it was kept: its headers were not readable then."""
        entry, said = opened.entry, opened.envelope
        if said.correlation_id is None or (entry.correlation_id is not None and not opened.split):
            return
        known = ResponseTally(said.base_date, said.seq, said.kind, said.reason, said.count)
        self.answered.setdefault(said.correlation_id, known).settled += len(opened.pieces)

    def _judge_piece(self, entry: Entry, piece: Piece, lineage: str) -> None:
        assert piece.value is not None  # noqa: S101 -- only what could be read is judged
        try:
            row = self._judge.validate(piece.value)
        except ValidationError as error:
            return piece.keep(self._judge.reason(error))
        if self._dates:
            piece.ruling = self._dates.ruling(row[self._judge.feed.base_date or ""])
            piece.by_date = piece.ruling.fate == "quarantined"
        if piece.ruling is LOAD:
            key = (entry.source, entry.offset, piece.number)
            self._pieces[key] = piece
            self.lines.append(self._judge.line % (*key, lineage, *self._judge.encode(row)))
        return None

    def settle(self, done: rows.Reloaded) -> None:
        """Note what the merge did with each row."""
        for key, (fate, replaced) in done.each.items():
            self._pieces[key].became, self._pieces[key].replaced = fate, replaced
        for refused in done.refused:
            self._pieces[refused.source, refused.offset, refused.row].keep(refused.reason)

    def marks(self) -> list[Mark]:
        """What is booked of each entry and of each row of a message that was split."""
        return [mark for opened in self.opened for mark in self._marks(opened)]

    def _marks(self, opened: Opened) -> list[Mark]:
        entry, said = opened.entry, opened.envelope
        if opened.split:
            parts = [
                _mark((entry.source, entry.offset, piece.number), piece, part=True, said=said)
                for piece in opened.pieces
            ]
            return [Mark(entry.id, "split", parts=len(parts)), *parts]
        [piece] = opened.pieces
        if piece.became is None and entry.id in self._fixed:
            return []  # the original waits on, for its own reason; the journal has this one
        return [_mark(entry.id, piece)]

    def fates(self) -> Fates:
        counts = Counter(piece.fate for opened in self.opened for piece in opened.pieces)
        return Fates(read=counts.total(), **counts)


def _mark(key: Key, piece: Piece, said: Envelope | None = None, *, part: bool = False) -> Mark:
    waits = piece.became is None
    return Mark(
        key,
        piece.became,
        piece.replaced,
        fate=piece.ruling.fate if waits else "quarantined",
        why=piece.ruling.reason if waits else "its message was kept whole",
        until=piece.ruling.until,
        by_date=piece.by_date,
        part=part,
        value=piece.value if waits and part else None,
        correlation_id=said.correlation_id if said else None,
        seq=said.seq if said else None,
    )


__all__ = ["Order", "Resettling", "Told"]
