"""Resolve entries of quarantine: because their day has come (release, a stage), or by a person's word (redrive).

chosen entries ─▶ gate ─▶ sub's leases ─▶ fence the previous holder ─▶ batch, batch … ─▶ release ─▶ leave
                   HELD     BUSY                                      │
       one transaction: writer's lock, epoch, control row ─▶ lock the entries ─▶ judge ─▶ merge ─▶ mark

A row is loaded as if it came now from where it came then: its own coordinates, time and seq, so that a newer row in the
table stays. Only unresolved entries are locked, so the same command again does nothing a second time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from ledger import chunk, control, journal, lease, quarantine, rows, schema
from ledger.chunk import Fates
from ledger.database import commit
from ledger.errors import translated
from ledger.key import LeaseKey
from steps.drain.lease_keeper import exclusively
from steps.load.dates import open_dates
from steps.load.entries import EntryBatch, Resolution
from steps.load.judge import Judge
from steps.run.execution import Execution, Outcome
from steps.run.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catalog import Feed
    from ledger.lease import Lease
    from ledger.quarantine import Key
    from steps.drain.lease_keeper import Keeper
    from steps.load.entries import EntryContent

#: What one transaction takes: entries, and bytes of their values.
ENTRIES, BYTES = 500, 16 * 2**20


@dataclass(frozen=True)
class Instruction:
    """Who resolves entries, and why. `by_hand`: a block does not stop it, and the journal has it."""

    by: str
    reason: str
    by_hand: bool = True
    ask_calendar: bool = False
    values: Mapping[Key, bytes] = field(default_factory=dict)
    """What stands in the place of an entry's own value."""


class Redrive:
    """One run's redrive of chosen entries. `resolutions`: what became of each."""

    def __init__(self, execution: Execution, feed: Feed, instruction: Instruction) -> None:
        self._execution, self._feed, self._instruction = execution, feed, instruction
        self._judge, self._table = Judge(feed), rows.Table(feed)
        self._dates = open_dates(execution, feed) if instruction.ask_calendar else None
        self._checked = False
        self._total = Fates()
        self.resolutions: list[Resolution] = []

    def run(self, chosen: Mapping[int, Sequence[Key]]) -> Outcome:
        """Under the leases of the partitions (partition → entries) that they are of; nothing where one is busy."""
        if not chosen:
            return self._with_counts(Outcome(Status.SUCCEEDED))
        keys = [key for of_partition in chosen.values() for key in of_partition]
        act = partial(self._all_batches, keys)
        return self._with_counts(exclusively(self._execution, LeaseKey(self._feed.name, "sub"), chosen, act))

    def _all_batches(self, keys: Sequence[Key], held: Lease, keeper: Keeper) -> Outcome:
        for some in quarantine.batches(self._execution.connection, keys, ENTRIES, BYTES):
            keeper.beat()
            if self._execution.stop.is_set():
                return Outcome(Status.STOPPED, reason=Status.STOPPED.sentence)
            if not self._batch(held, some):
                return Outcome(Status.HELD, reason=Status.HELD.sentence)
        return Outcome(Status.SUCCEEDED)

    def _batch(self, held: Lease, keys: Sequence[Key]) -> bool:
        """One transaction, whole or not at all. False: the feed was held, nothing moved.

        A lost reply to COMMIT is an error as anywhere: the same command again resolves what is not resolved.
        """
        connection = self._execution.connection
        with translated():
            lease.guard(connection, held)
            if not control.still_open(connection, self._feed.name, though_blocked=self._instruction.by_hand):
                connection.rollback()
                return False
            if not self._checked:
                schema.check_table(connection, self._feed)
                self._checked = True
            batch = self._load(held, keys)
        commit(connection)
        self._total.add(batch.fates())
        self.resolutions += [each.resolution() for each in batch.contents]
        return True

    def _load(self, held: Lease, keys: Sequence[Key]) -> EntryBatch:
        """Lock, judge, merge and mark. The caller commits."""
        connection, instruction = self._execution.connection, self._instruction
        batch = EntryBatch(self._judge, self._dates, instruction.values, held.run)
        for entry in quarantine.lock(connection, keys):
            batch.add(entry)
        batch.add_result(rows.reload(connection, self._table, batch.lines))
        quarantine.record(connection, batch.marks(), held.run, instruction.by, instruction.reason)
        if batch.tallies:
            chunk.record_answers(connection, held, batch.tallies)
        if instruction.by_hand:
            details = [self._detail(each, held.run) for each in batch.contents]
            by, reason = instruction.by, instruction.reason
            journal.write_each(connection, "redrive", self._feed.name, by, reason, details)
        return batch

    def _detail(self, content: EntryContent, run: int) -> dict[str, object]:
        """An entry's line in the journal, with the value that replaced the original's."""
        resolution, value = content.resolution(), self._instruction.values.get(content.entry.id)
        detail = {
            "entry": resolution.entry,
            "source": content.entry.source,
            "run": run,
            "became": resolution.became,
        }
        if resolution.why:
            detail["why"] = chunk.storable(resolution.why)
        if value is not None:
            detail["fixed"] = value.decode(errors="backslashreplace").replace("\x00", "\\0")
        return detail

    def _with_counts(self, outcome: Outcome) -> Outcome:
        calendar = {"calendar": self._dates.calendar} if self._dates and self._dates.calendar else {}
        return replace(outcome, counts={**vars(self._total), **calendar})


__all__ = ["Instruction", "Redrive", "Resolution"]
