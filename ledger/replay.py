"""Put back what the ledger says is there. Called by `operate/replay.py`, inside its one transaction.

A span is loaded again as it was: the same lines, the same judgement against the table, under the run of the span's
record. A row that a redrive or a release loaded comes from its entry of quarantine, under that run. So a row that is
lost comes back as it was loaded, and the ledger adds up again without a new record.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ledger import database, rows, verify
from ledger.errors import DataRefused
from ledger.merge import MergeResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from catalog import Feed
    from ledger.database import Connection


@dataclass(frozen=True)
class RecordedRange:
    """Offsets that one run recorded together: partition → [from, to)."""

    run: int
    start: Mapping[int, int]
    ends: Mapping[int, int]


@dataclass
class PutBack:
    """What a replay found. `loaded`: lost rows; `restored`: changed ones; `put`: run → rows that it put back.

    Each row has one fate. A row of quarantine is counted by its entry, and not where its message is read again.
    """

    read: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    put: Counter[int] = field(default_factory=Counter)

    def add(self, merged: MergeResult, run: int) -> None:
        """Count a part. A row that this very replay put back, and now replaces by a newer one, was superseded."""
        fates = sum(merged.fates.values(), Counter[str]())
        self.read -= fates.pop("quarantined", 0)  # its entry is counted
        self.fates += fates
        for earlier, count in sum(merged.replaced.values(), Counter()).items():
            again = min(count, self.put[earlier])
            self.put[earlier] -= again
            self.fates["loaded"] -= again
            self.fates["superseded"] += again
        self.put[run] += sum(fates["loaded"] for fates in merged.fates.values())


def recorded_ranges(connection: Connection, ranges: Mapping[int, tuple[int, int]], at_once: int) -> list[RecordedRange]:
    """Who recorded these offsets (source → [from, to)), oldest first; spans of one run together, up to `at_once`."""
    lows, highs = zip(*ranges.values(), strict=True)
    found = database.rows(connection, "replay.spans", sources=list(ranges), lows=list(lows), highs=list(highs))
    groups: list[tuple[int, dict[int, int], dict[int, int]]] = []
    size = 0
    for _, partition, start, end, run in found:
        size += end - start
        if not groups or groups[-1][0] != run or size > at_once or groups[-1][2].get(partition, start) != start:
            groups.append((run, {}, {}))
            size = end - start
        groups[-1][1].setdefault(partition, start)
        groups[-1][2][partition] = end
    return [RecordedRange(*group) for group in groups]


def put_back(
    connection: Connection,
    table: rows.Table,
    blocks: Sequence[bytes],
    dates: tuple[date, date] | None,
    *,
    redriven: bool = False,
) -> MergeResult:
    """Judge rows against the table and put back what is lost. The caller commits.

    `redriven`: these rows come from quarantine themselves.
    """

    def take_out(connection: Connection) -> list[tuple[int, str, int]]:
        taken_out = [] if redriven else database.rows(connection, "replay.quarantined")
        if dates:
            taken_out += database.rows(connection, "replay.passed", first=dates[0], last=dates[1])
        taken_out += connection.execute(table.statement("replay.restored")).fetchall()
        return taken_out

    return rows.load(connection, table, blocks, merging=True, take_out=take_out) or MergeResult()


def count_quarantined(connection: Connection, unread: Sequence[tuple[int, int, int]]) -> int:
    """How many of these (source, offset, row) are in quarantine."""
    if not unread:
        return 0
    sources, offsets, numbers = (list(column) for column in zip(*unread, strict=True))
    count: int = database.one(connection, "replay.waiting", sources=sources, offsets=offsets, rows=numbers)[0]
    return count


def still_missing(connection: Connection, feed: Feed, back: PutBack) -> int:
    """Rows that the ledger counts and the table lacks even now. Raises DataRefused when it would have too many.

    A run has more rows than the ledger counts where rows outside the range had replaced or equalled its rows, and are
    lost as well: putting back only the older ones would show them as the newest.
    """
    off = verify.rows_off(connection, feed)
    for run, recorded, there in off:
        if there > recorded and back.put[run]:
            raise DataRefused(
                f"nothing was put back: run {run} would have {there:,} rows in the table; the ledger counts "
                f"{recorded:,}. Newer rows with the same keys are lost as well: replay their offsets together with "
                "these; `feedfall verify --deep` says which rows are missing, and which are there and should not be"
            )
    return sum(recorded - there for _, recorded, there in off if there < recorded)
