"""What a chunk takes in: every offset is a record or absent, and a chunk ends where it should."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.chunk import Source
from steps.drain.intake import Intake
from steps.run.exits import Fenced

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Record:
    """As much of a message as an intake looks at."""

    at: tuple[int, int]

    def partition(self) -> int:
        return self.at[0]

    def offset(self) -> int:
        return self.at[1]


class Log:
    """A reader of partitions in memory: records at given offsets, and ends that markers have moved on."""

    def __init__(self, records: dict[int, list[int]], ends: dict[int, int]) -> None:
        self._left = {partition: sorted(offsets) for partition, offsets in records.items()}
        self._ends, self._at = ends, dict.fromkeys(ends, 0)
        self.paused: list[int] = []

    def assign(self, start: dict[int, int]) -> None:
        self._at = dict(start)
        self._left = {p: [each for each in offsets if each >= start[p]] for p, offsets in self._left.items()}

    def read(self, limit: int) -> list[Record]:
        partition = next((p for p, offsets in self._left.items() if offsets), None)
        if partition is None:
            self._at = dict(self._ends)  # nothing but markers is left
            return []
        batch, self._left[partition] = self._left[partition][:limit], self._left[partition][limit:]
        self._at[partition] = batch[-1] + 1 if self._left[partition] else self._ends[partition]
        return [Record((partition, offset)) for offset in batch]

    def positions(self) -> dict[int, int]:
        return dict(self._at)

    def leader_epochs(self) -> dict[int, int | None]:
        return dict.fromkeys(self._at, 7)

    def pause(self, partition: int) -> None:
        self.paused.append(partition)


def intake(
    log: Log,
    start: dict[int, int],
    ends: dict[int, int],
    rows: int = 1000,
    stop: threading.Event | None = None,
    beat: Callable[[], None] = lambda: None,
) -> Intake:
    log.assign(start)
    sources = {partition: Source(partition + 100, "id", partition, 0, offset) for partition, offset in start.items()}
    reader: Any = log
    stop = stop or threading.Event()
    return Intake(reader, sources, start, ends, rows=rows, batch=500, stop=stop, beat=beat)


def drained(taking: Intake) -> list[tuple[int, int]]:
    return [each.at for batch in taking.batches() for each in batch]  # type: ignore[attr-defined] # a Record


@pytest.mark.parametrize(
    ("records", "start", "end", "absent"),
    [
        ([0, 1, 2], 0, 3, []),
        ([0, 1, 2], 0, 4, [(3, 4)]),  # a commit marker at the end
        ([0, 1, 3, 4], 0, 6, [(2, 3), (5, 6)]),  # between two transactions, and at the end
        ([7], 0, 10, [(0, 7), (8, 10)]),  # compacted, or aborted, before and after
        ([], 0, 5, [(0, 5)]),  # nothing but aborted records
        ([3, 4], 3, 5, []),  # from a checkpoint
        ([], 3, 3, []),  # nothing new
    ],
)
def test_span__what_no_message_shows_is_absent(
    records: list[int], start: int, end: int, absent: list[tuple[int, int]]
) -> None:
    taking = intake(Log({0: records}, {0: end}), {0: start}, {0: end})
    assert drained(taking) == [(0, offset) for offset in records]
    span = taking.spans[0]
    assert (span.from_offset, span.to_offset, span.records, span.absent) == (start, end, len(records), absent)


@given(
    logs=st.dictionaries(st.integers(0, 3), st.sets(st.integers(0, 60)), min_size=1),
    tail=st.integers(0, 5),
    rows=st.integers(1, 40),
)
def test_span__records_and_absent_fill_it_and_chunks_abut(logs: dict[int, set[int]], tail: int, rows: int) -> None:
    """The ledger's invariant, over any log and any size of chunk."""
    records = {partition: sorted(offsets) for partition, offsets in logs.items()}
    ends = {partition: max(offsets, default=-1) + 1 + tail for partition, offsets in logs.items()}
    log, position, seen = Log(records, ends), dict.fromkeys(ends, 0), []
    while any(position[partition] < end for partition, end in ends.items()):
        taking = intake(log, position, ends, rows)
        for batch in taking.batches():
            seen += [each.at for each in batch]  # type: ignore[attr-defined] # a Record
            taking.count(len(batch), 0)
        for partition, span in taking.spans.items():
            assert span.from_offset == position[partition]
            assert span.records + sum(high - low for low, high in span.absent) == span.to_offset - span.from_offset
            assert all(span.from_offset <= low < high <= span.to_offset for low, high in span.absent)
        assert len(taking.moved_spans()) > 0
        position = taking.position()
    assert sorted(seen) == [(partition, offset) for partition in sorted(records) for offset in records[partition]]


def test_chunk__ends_by_rows() -> None:
    taking = intake(Log({0: list(range(50))}, {0: 50}), {0: 0}, {0: 50}, rows=20)
    for batch in taking.batches():
        taking.count(len(batch), 0)
    assert taking.position() == {0: 20}


def test_chunk__ends_by_bytes() -> None:
    taking = intake(Log({0: list(range(2000))}, {0: 2000}), {0: 0}, {0: 2000}, rows=10_000)
    for batch in taking.batches():
        taking.count(len(batch), 9 * 2**20)
    assert taking.position() == {0: 1000}  # two batches of nine megabytes


def test_chunk__ends_when_the_sink_has_enough() -> None:
    taking = intake(Log({0: list(range(2000))}, {0: 2000}), {0: 0}, {0: 2000}, rows=10_000)
    for _ in taking.batches():
        taking.end_chunk()
    assert taking.position() == {0: 500}


def test_chunk__ends_when_somebody_says_stop() -> None:
    stop = threading.Event()
    taking = intake(Log({0: list(range(2000))}, {0: 2000}), {0: 0}, {0: 2000}, rows=10_000, stop=stop)
    for _ in taking.batches():
        stop.set()
    assert taking.position() == {0: 500}


def test_chunk__ends_when_the_lease_is_lost() -> None:
    def beat() -> None:
        raise Fenced("lost")

    taking = intake(Log({0: [0]}, {0: 1}), {0: 0}, {0: 1}, beat=beat)
    with pytest.raises(Fenced):
        drained(taking)


def test_partition__at_its_end_is_paused_and_the_others_go_on() -> None:
    log = Log({0: [0], 1: list(range(600))}, {0: 1, 1: 600})
    taking = intake(log, {0: 0, 1: 0}, {0: 1, 1: 600}, rows=10_000)
    assert len(drained(taking)) == 601
    assert log.paused == [0, 1]
