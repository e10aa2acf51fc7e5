"""What a database has counted since its ledger began: runs, rows and acts, for metrics. Read every few seconds.

    first read   everything, once            seconds where there are a million runs
    each other   what is newer than what had come to its end at the read before

The numbers are the ledger's: the same in each process, and the same after a restart.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ledger.database import one, rows
from ledger.errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from ledger.database import Connection

BOUNDS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds of a run: the upper bounds of the buckets, without the last one, which has none."""
FATES = ("loaded", "superseded", "duplicate", "quarantined", "deferred")


@dataclass(frozen=True)
class Totals:
    """What one database has counted."""

    database: str
    """As `Feed(database=)` names it."""
    runs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Runs that ended, by feed and status."""
    rows: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Rows that were read, by feed and fate."""
    acts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Lines of the journal, by verb and phase; a line that is no act's is `recorded`."""
    durations: Mapping[str, tuple[Sequence[int], float]] = field(default_factory=dict)
    """By stage: runs in each bucket of BOUNDS and beyond, and the sum of their seconds."""
    notices_pending: int = 0
    approvals_pending: int = 0
    break_glass_at: datetime | None = None


class Tally:
    """Counts by key. `over` is settled and never read again; `after` is the highest id of it."""

    def __init__(self) -> None:
        self.after = 0
        self._over: Counter[Any] = Counter()

    def add(self, found: Iterable[tuple[Any, bool, int, float]]) -> Counter[Any]:
        """All counts, with what was found beyond `after`: key, is it over, the edge, how much."""
        total = Counter(self._over)
        for key, over, edge, number in found:
            total[key] += number  # type: ignore[assignment] # seconds are summed likewise
            if over:
                self._over[key] += number  # type: ignore[assignment]
            self.after = max(self.after, edge)
        return total


class Count:
    """Counts one database; keep it between two reads."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._begin()

    def _begin(self) -> None:
        self._runs, self._rows, self._acts = Tally(), Tally(), Tally()
        self._tickets: list[datetime] = []

    @property
    def newest_over(self) -> int:
        """The newest run that is never read again."""
        return self._runs.after

    def read(self, connection: Connection) -> Totals:
        """What was counted until now: six statements, no transaction of its own. Raises Transient."""
        with translated():
            newest = one(connection, "totals.newest")
            if any(now < tally.after for now, tally in zip(newest, (self._runs, self._rows, self._acts), strict=True)):
                self._begin()  # the database was restored: its counters begin anew, which Prometheus understands
            runs = self._runs.add(
                _of_runs(rows(connection, "totals.runs", after=self._runs.after, bounds=list(BOUNDS)))
            )
            fates = self._rows.add(_of_rows(rows(connection, "totals.rows", after=self._rows.after)))
            lines = rows(connection, "totals.acts", after=self._acts.after)
            acts = self._acts.add(((verb, phase), *more) for verb, phase, *more, _ in lines)
            self._tickets = [at for *_, at in lines if at] or self._tickets
            notices = one(connection, "notice.undelivered")[0]
            approvals = one(connection, "totals.approvals")[0]
        glass = max(self._tickets, default=None)
        return Totals(
            self._database, _statuses(runs), dict(fates), dict(acts), _durations(runs), notices, approvals, glass
        )


def _of_runs(found: Iterable[tuple[Any, ...]]) -> Iterable[tuple[Any, bool, int, float]]:
    for feed, stage, status, bucket, over, edge, number, seconds in found:
        if status is not None:
            yield ("status", feed, status), over, edge, number
        if bucket is not None:
            yield ("bucket", stage, bucket), over, edge, number
            yield ("seconds", stage, 0), over, edge, seconds


def _of_rows(found: Iterable[tuple[Any, ...]]) -> Iterable[tuple[Any, bool, int, int]]:
    for feed, over, edge, *numbers in found:
        for fate, number in zip(FATES, numbers, strict=True):
            yield (feed, fate), over, edge, number


def _statuses(runs: Counter[Any]) -> dict[tuple[str, str], int]:
    return {(feed, status): number for (kind, feed, status), number in runs.items() if kind == "status"}


def _durations(runs: Counter[Any]) -> dict[str, tuple[Sequence[int], float]]:
    stages = {stage for kind, stage, _ in runs if kind == "bucket"}
    return {
        stage: ([runs["bucket", stage, place] for place in range(len(BOUNDS) + 1)], float(runs["seconds", stage, 0]))
        for stage in sorted(stages)
    }
