"""Quarantined and deferred rows, whole, with the reason, and what became of them. They are never deleted.

set aside by sub ─▶ waits ─▶ settled_as: loaded, superseded, duplicate  by a redrive, or a release when its day has come
                    │  ▲                 discarded                      by a person
                    │  └─ still bad, still closed                       (with another reason, or for another day)
                    └───▶ split: a whole message that can be read now   its rows are entries of their own: `part`
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from psycopg.sql import SQL

from ledger.chunk import storable
from ledger.database import Connection, as_rows_of, fetch_all, maybe, rows
from ledger.errors import translated
from ledger.journal import write_each
from ledger.statements import sql, with_names

Key = tuple[int, int, int]
"""Source, offset, row: an entry's key."""
Ranges = Mapping[int, tuple[int, int]]
"""Source → [from, to)."""


@dataclass(frozen=True)
class Entry:
    """One quarantined or deferred row; `row` -1 is a whole message. `part`: of a message that was quarantined whole."""

    feed: str
    stage: str
    source: int
    topic: str
    partition: int
    offset: int
    row: int
    part: bool
    fate: str
    reason: str
    until: date | None
    at: datetime
    run: int
    correlation_id: UUID | None
    seq: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[bytes | None]
    """Name, value, name, value …"""
    sent_at: datetime | None
    settled_as: str | None = None
    settled_run: int | None = None
    settled_at: datetime | None = None
    settled_by: str | None = None
    settled_reason: str | None = None
    replaced_run: int | None = None
    parts: int | None = None
    first_fate: str | None = None
    """As it was set aside first, where it is another one now; not known of entries before schema 7."""
    first_reason: str | None = None

    @property
    def id(self) -> Key:
        return self.source, self.offset, self.row

    @property
    def label(self) -> str:
        """The entry as a person types it: topic/partition@offset, and /row within its message."""
        return f"{self.topic}/{self.partition}@{self.offset}" + (f"/{self.row}" if self.row >= 0 else "")


@dataclass(frozen=True)
class Mark:
    """What is recorded of an entry, or (`part`) of a row of a message that was quarantined whole.

    `became` None: it is not resolved.
    """

    id: Key
    became: str | None
    replaced: int | None = None
    fate: str = "quarantined"
    why: str = ""
    until: date | None = None
    by_date: bool = False
    parts: int | None = None
    part: bool = False
    value: bytes | None = None
    correlation_id: UUID | None = None
    seq: int | None = None


@dataclass(frozen=True)
class HistoryLine:
    """One line of an entry's history."""

    at: datetime
    who: str
    verb: str
    reason: str
    detail: Mapping[str, object]


def entries(
    connection: Connection,
    feed: str | None = None,
    limit: int = 100,
    *,
    resolved: bool = False,
    fate: str | None = None,
    matching: str | None = None,
) -> list[Entry]:
    """The newest entries first: the unresolved ones, or (`resolved`) all."""
    values = {"feed": feed, "limit": limit, "resolved": resolved, "fate": fate, "matching": matching}
    with translated():
        return _entries(connection, "entries", **values)


def find(
    connection: Connection, feed: str, topic: str, partition: int, offset: int, row: int = -1, source: int | None = None
) -> list[Entry]:
    """The entries of that place; more than one where the topic was created anew."""
    place = {"feed": feed, "topic": topic, "partition": partition, "offset": offset, "row": row, "source": source}
    with translated():
        return _entries(connection, "find", **place)


def fetch_unresolved(
    connection: Connection,
    feed: str,
    fate: str,
    *,
    until: date | None = None,
    matching: str | None = None,
) -> dict[int, list[Key]]:
    """Partition → the unresolved entries of sub. `until`: only what is deferred to that day or an earlier one."""
    values = {"feed": feed, "fate": fate, "until": until, "matching": matching}
    partitions: dict[int, list[Key]] = {}
    with translated():
        for partition, *key in rows(connection, "quarantine.waiting", **values):
            partitions.setdefault(partition, []).append((key[0], key[1], key[2]))
    return partitions


def fetch_due(connection: Connection, todays: Mapping[str, date]) -> dict[str, dict[int, int]]:
    """Feed → partition → how many deferred rows have come to their day. `todays`: feed → the date where it lives."""
    values = {"feeds": list(todays), "todays": list(todays.values())}
    found: dict[str, dict[int, int]] = {}
    with translated():
        for feed, partition, count in rows(connection, "quarantine.due", **values):
            found.setdefault(feed, {})[partition] = count
    return found


def batches(connection: Connection, keys: Sequence[Key], rows_at_once: int, size: int) -> Iterator[Sequence[Key]]:
    """The keys in batches of so many rows and so many bytes at most: an entry may be a message of megabytes."""
    with translated():
        sizes = [size for (size,) in rows(connection, "quarantine.sizes", **_columns(keys))]
    begun, filled = 0, 0
    for at, more in enumerate(sizes):
        if at > begun and (at - begun == rows_at_once or filled + more > size):
            yield keys[begun:at]
            begun, filled = at, 0
        filled += more
    if keys:
        yield keys[begun:]


def lock(connection: Connection, keys: Sequence[Key]) -> list[Entry]:
    """Those of the entries that are not resolved, locked until the caller's transaction ends."""
    return _entries(connection, "lock", **_columns(keys))


def fetch_loaded(connection: Connection, ranges: Ranges) -> dict[int, dict[Key, list[int]]]:
    """Run → the entries by which it loaded rows of these offsets → those rows' numbers in the table."""
    runs: dict[int, dict[Key, list[int]]] = {}
    for run, source, offset, row, number in rows(connection, "quarantine.loaded", **_bounds(ranges)):
        runs.setdefault(run, {}).setdefault((source, offset, row), []).append(number)
    return runs


def count_not_loaded(connection: Connection, ranges: Ranges) -> dict[str, int]:
    """Fate → how many rows of these offsets are in quarantine, and not in the table by a redrive or a release."""
    return dict(rows(connection, "quarantine.not_loaded", **_bounds(ranges)))


def fetch_stored(connection: Connection, keys: Sequence[Key]) -> list[Entry]:
    """Entries as they are stored, resolved or not."""
    return _entries(connection, "stored", **_columns(keys))


def fetch_corrected(connection: Connection, entry: Entry, run: int) -> str | None:
    """With which value that run resolved the entry, as the journal writes it; None: with the entry's own."""
    found = maybe(connection, "quarantine.corrected", entry=entry.label, source=entry.source, run=run)
    return found[0] if found else None


def record(connection: Connection, marks: Sequence[Mark], run: int, by: str, reason: str) -> None:
    """Record what became of entries. The caller commits."""
    common = {"run": run, "by": by, "reason": reason}
    kinds: dict[str, list[dict[str, object]]] = {"resolve": [], "postpone": [], "part": []}
    for mark in marks:
        kind = "part" if mark.part else "resolve" if mark.became else "postpone"
        source, offset, row = mark.id
        words = {"why" if mark.part else "reason": storable(mark.why)} if kind != "resolve" else {}
        kinds[kind].append({**vars(mark), **common, **words, "source": source, "offset": offset, "row": row})
    for kind, values in kinds.items():
        if values:
            connection.cursor().executemany(sql(f"quarantine.{kind}"), values)


def discard(connection: Connection, feed: str, chosen: Sequence[Entry], by: str, reason: str) -> list[Entry]:
    """Mark a feed's unresolved entries as discarded, and write it into the journal. The caller commits."""
    with translated():
        locked = lock(connection, [entry.id for entry in chosen])
        marks = [{"source": each.source, "offset": each.offset, "row": each.row} for each in locked]
        common = {"became": "discarded", "run": None, "by": by, "reason": reason, "replaced": None, "parts": None}
        if marks:
            connection.cursor().executemany(sql("quarantine.resolve"), [{**mark, **common} for mark in marks])
        details = [{"entry": each.label, "source": each.source} for each in locked]
        write_each(connection, "discard", feed, by, reason, details)
    return locked


def history(connection: Connection, entry: Entry) -> list[HistoryLine]:
    """What people did to an entry, oldest first."""
    with translated():
        return fetch_all(connection, HistoryLine, "quarantine.history", entry=entry.label, source=entry.source)


def _bounds(ranges: Ranges) -> dict[str, list[int]]:
    return {
        "sources": list(ranges),
        "lows": [low for low, _ in ranges.values()],
        "highs": [high for _, high in ranges.values()],
    }


def _columns(keys: Sequence[Key]) -> dict[str, list[int]]:
    sources, offsets, numbers = zip(*keys, strict=True) if keys else ((), (), ())
    return {"sources": list(sources), "offsets": list(offsets), "rows": list(numbers)}


def _entries(connection: Connection, statement: str, **values: object) -> list[Entry]:
    query = with_names(f"quarantine.{statement}", columns=SQL(sql("quarantine.columns")))
    return as_rows_of(Entry, connection.execute(query, values)).fetchall()
