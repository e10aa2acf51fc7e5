"""replay: read a recorded range of the topic again, and put back what the ledger says is there.

    gate ─▶ the range, below the checkpoint ─▶ sub's leases ─▶ one transaction: each span as it was loaded ─▶ commit
     HELD     OffsetGap names what is left       BUSY           more rows than the ledger counts: rolled back

The checkpoint and the ledger stay as they are. A row that is lost comes back with the lineage and the run that it had.
One that a redrive or a release loaded comes back from quarantine (`operate/redriven.py`).
One that was changed by hand is set back to what Kafka says. What is there, or was replaced by a newer row, is counted.
The sweep starts the run that a doorbell could not start meanwhile.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from ledger import chunk, control, journal, lease, quarantine, replay, rows
from ledger.database import commit
from ledger.errors import translated
from ledger.key import LeaseKey
from operate import redriven
from operate.act import acting_apart
from operate.reread import gap_before, open_rereading
from steps.drain import checkpoint
from steps.drain.kafka import Cluster
from steps.drain.lease_keeper import exclusively
from steps.run import gate
from steps.run.execution import Execution, Outcome, executing
from steps.run.exits import Misconfigured, OffsetGap
from steps.run.status import Status

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from datetime import date

    from catalog import Feed
    from ledger.chunk import Source
    from ledger.lease import Lease
    from operate.act import Act
    from operate.reread import RereadChunk, Rereading
    from steps.drain.kafka import Watermarks
    from steps.drain.lease_keeper import Keeper
    from steps.run.settings import Settings

FORM = "TOPIC/PARTITION:FROM-TO"


@dataclass(frozen=True)
class Offsets:
    """A closed range of one partition's offsets."""

    topic: str
    partition: int
    first: int
    last: int


DateRange = tuple["date", "date"]


@dataclass
class ReplayTotals:
    """What a replay came to. `gone`: offsets of the range that Kafka no longer has."""

    read: int = 0
    gone: int = 0
    missing: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    """Entries of quarantine whose corrected value cannot be read back."""

    def counts(self) -> dict[str, object]:
        named = {name: self.fates[name] for name in FATES}
        return {"read": self.read, **named, "gone": self.gone, "missing": self.missing}

    def reason(self) -> str | None:
        """What a person must know beside the counts."""
        if not self.unreadable:
            return None
        some = ", ".join(self.unreadable[:5]) + (" and others" if len(self.unreadable) > 5 else "")  # noqa: PLR2004
        return f"the corrected value of {some} cannot be read back from the journal: it is no UTF-8 text"


#: Each row that was read again has one of these.
FATES = ("loaded", "restored", "duplicate", "superseded", "quarantined", "refused", "unreadable", "passed")


def offsets(text: str) -> Offsets:
    """`fx.response/0:100-250`: both ends are read."""
    found = re.fullmatch(r"(?P<topic>[\w.-]+)/(?P<partition>\d+):(?P<first>\d+)-(?P<last>\d+)", text, re.ASCII)
    if not found:
        raise Misconfigured(f"--offsets {text!r} is not {FORM}, such as fx.response/0:100-250")
    wanted = Offsets(found["topic"], *(int(found[name]) for name in ("partition", "first", "last")))
    if wanted.last < wanted.first:
        raise Misconfigured(f"--offsets {text!r} ends before it begins")
    return wanted


def replay_range(
    settings: Settings, feed: Feed, wanted: Offsets | tuple[date, date], act: Act, stop: threading.Event
) -> Outcome:
    """Replay a range in a run of its own, as `feedfall runs` shows it. Its counts are those of `FATES`, and more."""
    key = LeaseKey(feed.name, "replay")
    with acting_apart(settings.database_url, act) as record, executing(settings, key, stop) as execution:
        outcome = execution.outcome = run(execution, feed, wanted, act.actor.who, record.act.reason)
        record.settle(outcome)
    return outcome


def run(execution: Execution, feed: Feed, wanted: Offsets | DateRange, by: str, reason: str) -> Outcome:
    """Replay a range, wholly or not at all."""
    refusal = gate.refusal(control.state(execution.connection, feed.name), "replay", execution.now())
    totals = ReplayTotals()
    if refusal:
        return Outcome(refusal.status, reason=refusal.reason, counts=totals.counts())
    if isinstance(wanted, tuple) and "base_date" not in feed.columns:
        raise Misconfigured(f"the rows of {feed.name} have no base_date to choose by: give --offsets {FORM}")
    key, outcome = LeaseKey(feed.name, "sub"), Outcome(Status.SUCCEEDED)
    if ranges := _ranges(execution, feed, key, wanted, totals):
        outcome = Replay(execution, feed, wanted, totals).run(key, ranges, by, reason)
    if outcome.status is Status.SUCCEEDED:
        outcome = replace(outcome, reason=totals.reason())
    return replace(outcome, counts=totals.counts())


Ranges = dict["Source", tuple[int, int]]


def _ranges(
    execution: Execution, feed: Feed, key: LeaseKey, wanted: Offsets | DateRange, totals: ReplayTotals
) -> Ranges:
    """Source → [from, to), recorded and still in Kafka."""
    cluster = Cluster(execution.settings)
    topic = cluster.topic(feed.topic("response", execution.settings.topic_prefix))
    with translated():
        known = {source.partition: source for source in chunk.sources(execution.connection, key, topic.name)}
        execution.connection.rollback()
    for source in known.values():
        if not topic.is_that(source.topic_id, source.cluster_id):
            raise OffsetGap(f"nothing is read again: {checkpoint.another(topic, source, feed.name)}")
    ends = cluster.watermarks(topic, list(known)) if known else {}
    if isinstance(wanted, Offsets):
        return _range_of(wanted, topic.name, known, ends)
    ranges = {each: _still_there(each, ends[each.partition]) for each in known.values()}
    totals.gone += sum(each.next_offset - each.first_offset - (high - low) for each, (low, high) in ranges.items())
    return {source: (low, high) for source, (low, high) in ranges.items() if low < high}


def _still_there(source: Source, ends: Watermarks) -> tuple[int, int]:
    """[from, to) of what was recorded of a partition, as far as Kafka still has it."""
    low = min(max(source.first_offset, ends.low), source.next_offset)
    return low, max(min(source.next_offset, ends.last_stable), low)


def _range_of(wanted: Offsets, topic: str, known: Mapping[int, Source], ends: Mapping[int, Watermarks]) -> Ranges:
    if wanted.topic != topic:
        raise Misconfigured(f"the feed's responses are on {topic}, not on {wanted.topic}")
    where = f"{topic}[{wanted.partition}]"
    source = known.get(wanted.partition)
    if source is None:
        raise Misconfigured(f"{where} was never read: there is nothing to replay")
    if wanted.last >= source.next_offset or wanted.first < source.first_offset:
        recorded = f"recorded are {source.first_offset} to {source.next_offset - 1}"
        raise Misconfigured(f"{where}: only what was recorded can be replayed, and {recorded}; sub loads what follows")
    low, high = ends[wanted.partition].low, ends[wanted.partition].high
    if wanted.first < low:
        raise gap_before(topic, wanted.partition, wanted.first, wanted.last, low)
    if wanted.last >= high:
        raise OffsetGap(
            f"{where} ends at {high:,}, before the checkpoint: it has lost its end, and these offsets with it"
        )
    return {source: (wanted.first, wanted.last + 1)}


class Replay:
    """One replay: run → hold the leases → one transaction, span by span."""

    def __init__(self, execution: Execution, feed: Feed, wanted: Offsets | DateRange, totals: ReplayTotals) -> None:
        self._execution, self._feed, self._totals = execution, feed, totals
        self._wanted, self._table, self._counts = wanted, rows.Table(feed), replay.PutBack()
        self._dates = wanted if isinstance(wanted, tuple) else None
        self._unreadable: list[str] = []

    def run(self, key: LeaseKey, ranges: Ranges, by: str, reason: str) -> Outcome:
        """Put back what is lost, or leave no trace."""
        with translated():
            partitions = {source.partition for source in ranges}
            return exclusively(self._execution, key, partitions, partial(self._put_all_back, ranges, by, reason))

    def _put_all_back(self, ranges: Ranges, by: str, reason: str, held: Lease, keeper: Keeper) -> Outcome:
        connection = self._execution.connection
        lease.guard(connection, held)
        self._read(keeper, ranges)
        if self._execution.stop.is_set():
            return Outcome(Status.STOPPED, reason="stopped by a signal; nothing was put back")
        missing = replay.still_missing(connection, self._feed, self._counts)
        if not control.still_open(connection, self._feed.name):
            return Outcome(Status.HELD, reason="held while it ran; nothing was put back")
        journal.write(connection, "replay", self._feed.name, by, reason, **self._detail(ranges))
        commit(connection)
        self._totals.read += self._counts.read
        self._totals.fates += self._counts.fates
        self._totals.missing = missing
        self._totals.unreadable += self._unreadable
        return Outcome(Status.SUCCEEDED)

    def _read(self, keeper: Keeper, ranges: Ranges) -> None:
        sources = {source.partition: source for source in ranges}
        again = open_rereading(self._execution.settings, self._feed, sources, self._execution.stop, keeper.beat)
        by_id = {source.id: span for source, span in ranges.items()}
        try:
            for part in replay.recorded_ranges(self._execution.connection, by_id, self._feed.chunk_rows):
                for found in again.chunks(part.start, part.ends, part.run):
                    self._put_back(again, found, part.run)
        finally:
            again.reader.close()
        self._put_redriven_back(keeper, by_id)

    def _put_back(self, again: Rereading, found: RereadChunk, run: int) -> None:
        merged = replay.put_back(self._execution.connection, self._table, found.blocks, self._dates)
        self._counts.add(merged, run)
        refused = [*found.refused, *map(again.entry, merged.refused)]
        places = [(each.source, each.offset, each.row) for each in refused]
        in_quarantine = replay.count_quarantined(self._execution.connection, places)
        self._counts.read += found.rows - in_quarantine
        self._counts.fates["refused"] += len(refused) - in_quarantine

    def _put_redriven_back(self, keeper: Keeper, ranges: Mapping[int, tuple[int, int]]) -> None:
        """The rows that a redrive or a release loaded, and the count of those that stay in quarantine."""
        connection = self._execution.connection
        for found in redriven.read(connection, self._feed, ranges):
            if self._execution.stop.is_set():
                return
            keeper.beat()
            merged = replay.put_back(connection, self._table, found.blocks, self._dates, redriven=True)
            self._counts.add(merged, found.run)
            refused, unreadable = found.refused + len(merged.refused), found.unreadable
            self._counts.read += found.rows
            self._counts.fates += Counter(refused=refused, unreadable=unreadable.total())
            self._unreadable += unreadable
        others = quarantine.count_not_loaded(connection, ranges)
        self._counts.read += sum(others.values())
        self._counts.fates += Counter(others)

    def _detail(self, ranges: Ranges) -> dict[str, object]:
        read = {f"{source.partition}": f"{low}-{high - 1}" for source, (low, high) in ranges.items()}
        dates = [day.isoformat() for day in self._dates] if self._dates else None
        fates = {name: count for name, count in self._counts.fates.items() if count}
        return {"run": self._execution.run, "offsets": read, "base_dates": dates, **fates}


__all__ = ["DateRange", "Offsets", "offsets", "replay_range", "run"]
