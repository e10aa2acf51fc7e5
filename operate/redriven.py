"""Rows that a redrive or a release loaded, read again from quarantine. Called by replay.

entries of some offsets ─▶ their own value, or the corrected one of the journal ─▶ judged as then ─▶ lines for COPY
their corrections       ─▶ the value of each ───────────────────────────────────▶ judged, with its seq and time
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from catalog import Unreadable
from ledger import correction, quarantine
from steps.load.correct import line
from steps.load.entries import EntryBatch
from steps.load.judge import Judge
from steps.load.redrive import BYTES, ENTRIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from catalog import Feed
    from ledger.correction import Correction
    from ledger.database import Connection
    from ledger.quarantine import Key

#: How the journal writes a byte that is no text (`steps/load/redrive.py`). With it, the bytes are not known.
ESCAPED = re.compile(r"\\(x[89a-f][0-9a-f]|0)")


@dataclass(frozen=True)
class RedrivenRows:
    """Rows that one run loaded from quarantine. `unreadable`: entry → how many of its rows cannot be read back."""

    run: int
    rows: int
    blocks: Sequence[bytes]
    refused: int
    """Rows that today's feed refuses."""
    unreadable: Counter[str]


def read(connection: Connection, feed: Feed, ranges: Mapping[int, tuple[int, int]]) -> Iterator[RedrivenRows]:
    """The rows of these offsets (source → [from, to)) that were loaded by a redrive or a release, a batch at a time."""
    judge = Judge(feed)
    for run, numbers in quarantine.fetch_loaded(connection, ranges).items():
        for keys in quarantine.batches(connection, list(numbers), ENTRIES, BYTES):
            yield _read_batch(connection, judge, run, {key: numbers[key] for key in keys})
    for key, each in correction.fetch_loaded(connection, ranges):
        yield _read_correction(judge, key, each)


def _read_correction(judge: Judge, key: Key, each: Correction) -> RedrivenRows:
    try:
        text = line(judge, key, each.value, (each.seq, each.sent), each.run)
    except (Unreadable, ValidationError):
        return RedrivenRows(each.run, 1, [], 1, Counter())
    return RedrivenRows(each.run, 1, [text.encode()], 0, Counter())


def _read_batch(connection: Connection, judge: Judge, run: int, numbers: Mapping[Key, Sequence[int]]) -> RedrivenRows:
    entries = quarantine.fetch_stored(connection, list(numbers))
    values: dict[Key, bytes] = {}
    unreadable: Counter[str] = Counter()
    for entry in entries:
        corrected = quarantine.fetch_corrected(connection, entry, run)
        if corrected is not None and ESCAPED.search(corrected):
            unreadable[entry.label] = len(numbers[entry.id])
        elif corrected is not None:
            values[entry.id] = corrected.encode()
    batch = EntryBatch(judge, None, values, run)
    for entry in entries:
        if entry.label not in unreadable:
            batch.add(entry)
    wanted = {(source, offset, number) for (source, offset, _), each in numbers.items() for number in each}
    lines = [line for line in batch.lines if _coordinates(line) in wanted]
    refused = len(wanted) - len(lines) - unreadable.total()
    return RedrivenRows(run, len(wanted), ["".join(lines).encode()] if lines else [], refused, unreadable)


def _coordinates(line: str) -> Key:
    source, offset, number = (int(part) for part in line.split("\t", 3)[:3])
    return source, offset, number


__all__ = ["RedrivenRows", "read"]
