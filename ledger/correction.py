"""Corrections (정정): a better value for an entry of quarantine that was resolved. The entry itself stays as it is.

An entry may be corrected again and again. Each correction is newer than what stood of the entry before, and older than
any later response: it has the message's own place, its seq and one (where it answers a request), and its time and a
millisecond a correction.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.database import Connection, fetch_all, rows, run
from ledger.errors import translated
from ledger.quarantine import Entry, Key


@dataclass(frozen=True)
class Correction:
    """One correction. `sent`: the time with which it is in the table, in milliseconds."""

    run: int
    value: bytes
    seq: int
    sent: int
    became: str = ""
    replaced_run: int | None = None


def fetch_corrections(connection: Connection, entry: Entry) -> list[Correction]:
    """What an entry was corrected to, the oldest first."""
    place = {"source": entry.source, "offset": entry.offset, "row": entry.row}
    with translated():
        return fetch_all(connection, Correction, "correction.of_entry", **place)


def record(connection: Connection, entry: Entry, correction: Correction, who: str, reason: str) -> None:
    """Write one down. The caller commits."""
    place = {"source": entry.source, "offset": entry.offset, "row": entry.row}
    run(connection, "correction.record", **place, **vars(correction), who=who, reason=reason)


def fetch_loaded(connection: Connection, ranges: Mapping[int, tuple[int, int]]) -> list[tuple[Key, Correction]]:
    """The corrections of these offsets (source → [from, to)) that were loaded, the oldest first."""
    lows, highs = [low for low, _ in ranges.values()], [high for _, high in ranges.values()]
    found = rows(connection, "correction.loaded", sources=list(ranges), lows=lows, highs=highs)
    return [((source, offset, row), Correction(*rest)) for source, offset, row, *rest in found]
