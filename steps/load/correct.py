"""Correct (정정) entries of quarantine that were resolved: a better value under a higher seq, a row of its own.

    resolved entries, new values ─▶ gate ─▶ sub's leases ─▶ one transaction: judge ─▶ merge ─▶ record ─▶ release
                                     HELD     BUSY            a newer response stands: nothing moves (65)

The same judge and the same merge as for any row. It wins over what stands of its entry, and loses to any later
response.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pydantic import ValidationError

from catalog import Envelope
from catalog.message import Unreadable
from ledger import control, correction, journal, lease, quarantine, rows, schema
from ledger.correction import Correction
from ledger.database import commit
from ledger.errors import translated
from ledger.key import LeaseKey
from steps.drain.lease_keeper import exclusively
from steps.load.batch import Lineage
from steps.load.entries import Resolution, headers_of
from steps.load.judge import Judge
from steps.run.execution import Execution, Outcome
from steps.run.exits import DataRefused
from steps.run.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catalog import Feed
    from ledger.database import Connection
    from ledger.lease import Lease
    from ledger.quarantine import Entry, Key
    from steps.drain.lease_keeper import Keeper


@dataclass(frozen=True)
class InForce:
    """What stands of an entry: its value (None: not known, or nothing does) and whose run loaded it."""

    value: bytes | None
    run: int | None
    corrections: Sequence[Correction] = ()


def in_force(connection: Connection, entry: Entry) -> InForce:
    """The last correction, or the value with which it was redriven, or its own."""
    known = correction.fetch_corrections(connection, entry)
    if known:
        return InForce(known[-1].value, known[-1].run, known)
    if entry.settled_as == "discarded" or entry.settled_run is None:
        return InForce(None, None)
    fixed = quarantine.fetch_corrected(connection, entry, entry.settled_run)
    return InForce(entry.value if fixed is None else fixed.encode(), entry.settled_run)


def next_rank(entry: Entry, stands: InForce) -> tuple[int, int]:
    """(seq, time in milliseconds) of the next correction.

    A response to a request is renewed by a higher seq; another publisher's message has none, and is renewed by time.
    """
    if stands.corrections:
        last = stands.corrections[-1]
        return last.seq, last.sent + 1
    seq = Envelope.of(headers_of(entry)).seq if entry.seq is None else entry.seq
    above = entry.correlation_id is not None and stands.run is not None
    sent = round(entry.sent_at.timestamp() * 1000) if entry.sent_at else 0
    return seq + above, sent + 1


def line(judge: Judge, key: Key, value: bytes, rank: tuple[int, int], run: int) -> str:
    """Its line of COPY text, at the place of its entry. Raises Unreadable, ValidationError."""
    seq, sent = rank
    values = judge.validate(judge.readable(value))
    source, offset, row = key
    return judge.line % (source, offset, max(row, 0), Lineage(seq, run)[sent], *judge.encode(values))


class Correcting:
    """One run's corrections of resolved entries. `resolutions`: what became of each."""

    def __init__(self, execution: Execution, feed: Feed, by: str, reason: str, values: Mapping[Key, bytes]) -> None:
        self._execution, self._feed, self._by, self._reason = execution, feed, by, reason
        self._values, self._judge, self._table = values, Judge(feed), rows.Table(feed)
        self.resolutions: list[Resolution] = []

    def run(self, entries: Sequence[Entry]) -> Outcome:
        """All of them or none. Raises DataRefused where a value is bad, or a newer row stands in its place."""
        partitions = {each.partition for each in entries}
        return exclusively(
            self._execution, LeaseKey(self._feed.name, "sub"), partitions, partial(self._correct, entries)
        )

    def _correct(self, entries: Sequence[Entry], held: Lease, keeper: Keeper) -> Outcome:
        connection = self._execution.connection
        with translated():
            lease.guard(connection, held)
            if not control.still_open(connection, self._feed.name, though_blocked=True):
                connection.rollback()
                return Outcome(Status.HELD, reason=Status.HELD.sentence)
            schema.check_table(connection, self._feed)
            for each in entries:
                keeper.beat()
                self.resolutions.append(self._one(connection, each, held.run))
        commit(connection)
        fates = Counter(each.became for each in self.resolutions if each.why != SAME)
        return Outcome(Status.SUCCEEDED, counts={"read": fates.total(), **{fate: fates[fate] for fate in FATES}})

    def _one(self, connection: Connection, entry: Entry, run: int) -> Resolution:
        value, stands = self._values[entry.id], in_force(connection, entry)
        if stands.value == value:
            return Resolution(entry.label, stands.corrections[-1].became if stands.corrections else "loaded", SAME)
        rank = next_rank(entry, stands)
        self._check_key(entry, value, stands)
        merged = rows.reload(connection, self._table, [self._line(entry, value, rank, run)])
        if merged.refused:
            raise DataRefused(f"{entry.label}: {merged.refused[0].reason}; nothing was corrected")
        [(became, replaced)] = merged.each.values()
        self._check_place(entry, stands, became, replaced)
        made = Correction(run, value, *rank, became, replaced)
        correction.record(connection, entry, made, self._by, self._reason)
        journal.write(connection, "correct", self._feed.name, self._by, self._reason, **_detail(entry, made))
        return Resolution(entry.label, became, f"in the place of run {replaced}'s row" if replaced else "")

    def _line(self, entry: Entry, value: bytes, rank: tuple[int, int], run: int) -> str:
        try:
            return line(self._judge, entry.id, value, rank, run)
        except Unreadable as error:
            raise DataRefused(f"{entry.label}: {error}; nothing was corrected") from error
        except ValidationError as error:
            raise DataRefused(f"{entry.label}: {self._judge.reason(error)}; nothing was corrected") from error

    def _check_place(self, entry: Entry, stands: InForce, became: str, replaced: int | None) -> None:
        """It takes the place of its own row and of no other. Raises DataRefused."""
        if became != "loaded" or (stands.run is not None and replaced not in (None, stands.run)):
            raise DataRefused(f"{entry.label}: a newer row of its key stands; nothing was corrected")
        if stands.run is not None and replaced is None:
            raise DataRefused(
                f"{entry.label}: its row is not in the table under this key: the key of a row cannot be corrected, and "
                "`feedfall replay` puts back what is lost; nothing was corrected"
            )

    def _check_key(self, entry: Entry, value: bytes, stands: InForce) -> None:
        """Another key or base date would leave the wrong row where it is. Raises DataRefused."""
        if stands.value is None:
            return
        names = [*self._feed.key, *([self._feed.base_date] if self._feed.base_date else [])]
        try:
            old, new = (self._judge.validate(each) for each in (stands.value, value))
        except ValidationError:
            return  # a bad new value is refused by its line; an old one that today's feed refuses has no key to compare
        changed = [name for name in names if str(old[name]) != str(new[name])]
        if changed:
            raise DataRefused(
                f"{entry.label}: {', '.join(changed)} would be another one, and the wrong row would stay: "
                "only the other values of a row can be corrected; nothing was corrected"
            )


#: Why nothing was done where the value stands already: the same command may be given again.
SAME = "this value stands already"
FATES = ("loaded", "superseded", "duplicate")


def _detail(entry: Entry, made: Correction) -> dict[str, object]:
    return {
        "entry": entry.label,
        "source": entry.source,
        "run": made.run,
        "became": made.became,
        "seq": made.seq,
        "fixed": made.value.decode(errors="backslashreplace").replace("\x00", "\\0"),
    }


__all__ = ["Correcting", "InForce", "in_force", "line", "next_rank"]
