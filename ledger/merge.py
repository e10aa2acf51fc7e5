"""The merge: of each key the newest row stands. Called by `ledger/rows.py`, inside the caller's transaction.

    lines ─COPY─▶ _incoming ─▶ the newest of each key ─▶ INSERT … DO NOTHING ─┬─ no such key: it stands
                                                                             └─ one is there ─▶ lock ─▶ older ─▶ UPDATE

A row is newer by (base date, seq, message time, source, offset, row number), compared in that order: a total order. So
which row stands depends on what was ever accepted alone, not on who read it when. Keys are taken in their own order,
and a row is compared only once it is locked: so runs may merge the same keys at once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.sql import Identifier

from ledger.errors import DataRefused, Misconfigured, is_data

if TYPE_CHECKING:
    from ledger.database import Connection
    from ledger.rows import Table

Coordinates = tuple[int, int, int]
"""Source, offset, row."""
Fate = tuple[Coordinates, str, int | None]
"""A row, what became of it, and the run whose row it replaced."""
TakeOut = Callable[["Connection"], Iterable[tuple[int, str, int]]]
"""Takes rows out of `_incoming` before they are merged; (source, fate, count) of them."""

#: A merge is tried so often: another session may delete a row in its midst, or good rows may refuse each other.
ATTEMPTS = 3


class RowsLeftOut(Misconfigured):
    """The database wrote fewer rows than it was given, without an error."""


@dataclass
class RefusedRow:
    """A row that only the database refuses, by its coordinates, with the database's own words."""

    source: int
    offset: int
    row: int
    reason: str


@dataclass
class MergeResult:
    """What a merge did: fates and replaced rows by source, and the rows that the database refused."""

    fates: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    replaced: dict[int, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    refused: list[RefusedRow] = field(default_factory=list)

    def add(self, source: int, fate: str, replaced: int | None, count: int) -> None:
        self.fates[source][fate] += count
        if replaced is not None:
            self.replaced[source][replaced] += count


@dataclass
class ReloadResult:
    """What became of each row, by its coordinates: its fate, and the run whose row it replaced."""

    each: dict[Coordinates, tuple[str, int | None]] = field(default_factory=dict)
    refused: list[RefusedRow] = field(default_factory=list)


def merge(connection: Connection, table: Table, blocks: Sequence[bytes], take_out: TakeOut) -> MergeResult:
    """Merge blocks of lines. The rows that the database refuses are left out, and named."""
    result = MergeResult()

    def write(some: Sequence[bytes]) -> list[tuple[int, str, int | None, int]]:
        taken_out = _write(connection, table, some, take_out)
        fates = connection.execute(table.statement("merge.fates", each=table.statement("merge.each"))).fetchall()
        _check_written(table, sum(count for _, fate, _, count in fates if fate is None))
        _drop(connection)
        return [*((source, fate, None, count) for source, fate, count in taken_out), *fates]

    for fate in _all_but_refused(connection, blocks, write, result.refused):
        result.add(*fate)
    return result


def merge_each(connection: Connection, table: Table, blocks: Sequence[bytes]) -> ReloadResult:
    """The same, with the fate of each row."""
    result = ReloadResult()

    def write(some: Sequence[bytes]) -> list[tuple[Any, ...]]:
        _write(connection, table, some, lambda _: ())
        fates = connection.execute(table.statement("merge.each")).fetchall()
        _check_written(table, sum(fate is None for *_, fate, _ in fates))
        _drop(connection)
        return fates

    found = _all_but_refused(connection, blocks, write, result.refused)
    result.each = {(source, offset, row): (fate, replaced) for source, offset, row, fate, replaced in found}
    return result


def _write(
    connection: Connection, table: Table, blocks: Sequence[bytes], take_out: TakeOut
) -> Iterable[tuple[int, str, int]]:
    """Write what is newer. Afterwards `_written` says which rows those are."""
    connection.execute(table.statement("merge.incoming"))
    table.copy(connection, blocks, into=Identifier("_incoming"))
    connection.execute("ANALYZE _incoming")
    taken_out = take_out(connection)
    for name in ("merge.newest", "merge.written", "merge.add"):
        connection.execute(table.statement(name))
    older = connection.execute(table.statement("merge.older")).rowcount
    replaced = connection.execute(table.statement("merge.replace")).rowcount
    _check_written(table, older - replaced)
    return taken_out


def _check_written(table: Table, left_out: int) -> None:
    if left_out:
        raise RowsLeftOut(
            f"{left_out} rows were not written into {table.feed.table}, and no error said so: a trigger or a rule of"
            " the table leaves rows out, or another session deletes them at this moment. Nothing was loaded"
        )


def _drop(connection: Connection) -> None:
    connection.execute("DROP TABLE _incoming, _newest, _written, _older")


def _all_but_refused(
    connection: Connection,
    blocks: Sequence[bytes],
    write: Callable[[Sequence[bytes]], list[tuple[Any, ...]]],
    refused: list[RefusedRow],
) -> list[tuple[Any, ...]]:
    """Write them all at once; where the database refuses some, find those, and write the others at once."""
    left_out: RowsLeftOut | None = None
    for _ in range(ATTEMPTS):
        if not blocks:
            return []
        try:
            with connection.transaction():
                return write(blocks)
        except RowsLeftOut as error:
            left_out = error
            continue
        except psycopg.Error as error:
            if not is_data(error):
                raise
            with connection.transaction(force_rollback=True):  # halves take keys in another order: nothing of it stays
                found = isolate(connection, blocks, write, error)
        refused += found
        blocks = _without(blocks, found)
    raise left_out or DataRefused(
        f"the database refuses other rows each time, after {len(refused)}: {refused[-1].reason}"
    )


def load_by_halves(
    connection: Connection, blocks: Sequence[bytes], act: Callable[[Sequence[bytes]], object]
) -> list[RefusedRow]:
    """Do it with blocks of lines; where the database refuses one, go by halves until the bad lines stand alone."""
    try:
        with connection.transaction():
            act(blocks)
    except psycopg.Error as error:
        if not is_data(error):
            raise
        return isolate(connection, blocks, act, error)
    return []


def isolate(
    connection: Connection, blocks: Sequence[bytes], act: Callable[[Sequence[bytes]], object], error: psycopg.Error
) -> list[RefusedRow]:
    """The lines for which `act` fails, where it failed with this error for all of them. For the others it is done."""
    if len(blocks) == 1:
        blocks = blocks[0].splitlines(keepends=True)
    if len(blocks) == 1:
        return [RefusedRow(*_coordinates(blocks[0]), _reason(error))]
    middle = len(blocks) // 2
    return [refused for half in (blocks[:middle], blocks[middle:]) for refused in load_by_halves(connection, half, act)]


def _without(blocks: Sequence[bytes], refused: Iterable[RefusedRow]) -> list[bytes]:
    bad = {(each.source, each.offset, each.row) for each in refused}
    lines = (line for block in blocks for line in block.splitlines(keepends=True))
    good = b"".join(line for line in lines if _coordinates(line) not in bad)
    return [good] if good else []


def _coordinates(line: bytes) -> Coordinates:
    source, offset, row = (int(part) for part in line.split(b"\t", 3)[:3])
    return source, offset, row


def _reason(error: psycopg.Error) -> str:
    """The server's own sentence. Never its DETAIL or CONTEXT: they quote the whole row."""
    return f"the database refuses it: {error.diag.message_primary or type(error).__name__} ({error.sqlstate})"
