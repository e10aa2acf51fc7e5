"""How rows get into a feed's table: straight by COPY, and by a merge once a key is met that exists.

    blocks ──COPY──▶ table                     nothing existed: all loaded
               │ a key exists, or the database refuses a row
               └──COPY──▶ _incoming ──judge──▶ _judged ──upsert──▶ table
                             │ refused: halves, until the row stands alone → refused, for quarantine

Blocks arrive while they are sent: PostgreSQL parses while Python validates while librdkafka fetches.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import tee
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from ledger.errors import is_data, translated
from ledger.statements import sql, with_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog import Feed
    from ledger.database import Connection

#: Where a row came from; first in every line, so that a refused line names its message.
LINEAGE = {
    "_source": "int",
    "_offset": "bigint",
    "_row": "int",
    "_at": "timestamptz",
    "_seq": "int",
    "_run": "bigint",
}
COORDINATES = ("_source", "_offset", "_row")


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


@dataclass
class ReloadResult:
    """What became of each row, by its coordinates: its fate, and the run whose row it replaced."""

    each: dict[tuple[int, int, int], tuple[str, int | None]] = field(default_factory=dict)
    refused: list[RefusedRow] = field(default_factory=list)


class Table:
    """A feed's table and the statements that load it."""

    def __init__(self, feed: Feed) -> None:
        key = feed.key or COORDINATES
        values = [name for name in feed.columns if name not in key] or [key[0]]
        every = [*LINEAGE, *feed.columns]
        rank = [feed.base_date, "_seq"] if feed.base_date else ["_seq"]
        self.name = Identifier(feed.table)
        self._columns = _list(every)
        self._names: dict[str, Composed | Identifier] = {
            "table": self.name,
            "columns": self._columns,
            "excluded": _list(every, "excluded"),
            "key": _list(key),
            "joined": SQL(" AND ").join(SQL("i.{0} = t.{0}").format(Identifier(name)) for name in key),
            "values": _list(values),
            "i_values": _list(values, "i"),
            "t_values": _list(values, "t"),
            "i_columns": _list(every, "i"),
            "rank": _list(rank),
            "rank_desc": SQL(", ").join(SQL("{} DESC").format(Identifier(name)) for name in rank),
            "i_rank": _list(rank, "i"),
            "t_rank": _list(rank, "t"),
        }

    def copy(self, connection: Connection, blocks: Iterable[bytes], *, into: Identifier | None = None) -> None:
        """COPY blocks of lines, as they come."""
        statement = with_names("rows.copy", into=into or self.name, columns=self._columns)
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for block in blocks:
                copy.write(block)

    def statement(self, name: str, **more: Composable) -> Composed:
        return with_names(name, **self._names, **more)


T = TypeVar("T")
TakeOut = Callable[["Connection"], Iterable[tuple[int, str, int]]]
"""Takes rows out of `_incoming` before they are judged; (source, fate, count) of them."""


def load(
    connection: Connection,
    table: Table,
    blocks: Iterable[bytes],
    *,
    merge: bool,
    take_out: TakeOut = lambda _: (),
) -> MergeResult | None:
    """Load a chunk inside the caller's transaction. None: every row was loaded. `blocks` may be lazy."""
    connection.execute(sql("rows.immediate"))
    blocks, again = tee(blocks)  # where COPY fails, a merge starts over and needs the whole chunk
    if not merge and _straight(connection, table, blocks):
        return None
    result = MergeResult()
    if parts := list(again):
        merge_one = partial(_merge_whole, connection, table, take_out)
        for fates, replaced in by_halves(connection, parts, merge_one, result.refused):
            _add(result.fates, fates)
            _add(result.replaced, replaced)
    return result


def reload(connection: Connection, table: Table, lines: Sequence[str]) -> ReloadResult:
    """Load rows of quarantine, inside the caller's transaction: newer wins, and each row has its fate in the result."""
    result = ReloadResult()
    if lines:
        blocks = ["".join(lines).encode()]
        for fates in by_halves(connection, blocks, partial(_merge_each, connection, table), result.refused):
            result.each |= {(source, offset, row): (fate, run) for source, offset, row, fate, run in fates}
    return result


def _straight(connection: Connection, table: Table, blocks: Iterable[bytes]) -> bool:
    try:
        with connection.transaction():
            table.copy(connection, blocks)
    except psycopg.Error as error:
        if is_data(error):
            return False
        raise
    return True


def by_halves(
    connection: Connection, parts: Sequence[bytes], act: Callable[[Sequence[bytes]], T], refused: list[RefusedRow]
) -> list[T]:
    """Do it with blocks of lines; where the database refuses one, go by halves until the bad lines stand alone."""
    try:
        with connection.transaction():
            return [act(parts)]
    except psycopg.Error as error:
        if not is_data(error):
            raise
        if len(parts) == 1:
            parts = parts[0].splitlines(keepends=True)
        if len(parts) == 1:
            source, offset, row = (int(part) for part in parts[0].split(b"\t", 3)[:3])
            refused.append(RefusedRow(source, offset, row, _reason(error)))
            return []
    middle = len(parts) // 2
    return [half for some in (parts[:middle], parts[middle:]) for half in by_halves(connection, some, act, refused)]


def _merge_whole(
    connection: Connection, table: Table, take_out: TakeOut, parts: Sequence[bytes]
) -> tuple[list[tuple[int, str, int]], list[tuple[int, int, int]]]:
    with _merge(connection, table, parts, take_out) as taken_out:
        fates = connection.execute(sql("rows.fates")).fetchall()
        return [*taken_out, *fates], connection.execute(sql("rows.replaced")).fetchall()


def _merge_each(connection: Connection, table: Table, parts: Sequence[bytes]) -> list[tuple[Any, ...]]:
    with _merge(connection, table, parts):
        return connection.execute(sql("rows.each")).fetchall()


@contextmanager
def _merge(
    connection: Connection, table: Table, parts: Sequence[bytes], take_out: TakeOut = lambda _: ()
) -> Iterator[Iterable[tuple[int, str, int]]]:
    """Judge and upsert. Inside the block `_judged` holds what became of each row."""
    connection.execute(table.statement("rows.incoming"))
    table.copy(connection, parts, into=Identifier("_incoming"))
    connection.execute("ANALYZE _incoming")
    taken_out = take_out(connection)
    connection.execute(table.statement("rows.judge"))
    connection.execute(table.statement("rows.upsert"))
    yield taken_out
    connection.execute("DROP TABLE _incoming, _judged")


def _add(
    totals: dict[int, Counter[str]] | dict[int, Counter[int]], found: Iterable[tuple[int, str | int, int]]
) -> None:
    for source, what, count in found:
        totals[source][what] += count  # type: ignore[index] # each total meets its own kind of row


def _reason(error: psycopg.Error) -> str:
    """The server's own sentence. Never its DETAIL or CONTEXT: they quote the whole row."""
    return f"the database refuses it: {error.diag.message_primary or type(error).__name__} ({error.sqlstate})"


def _list(names: Iterable[str], of: str | None = None) -> Composed:
    return SQL(", ").join(Identifier(of, name) if of else Identifier(name) for name in names)


def newest(connection: Connection, feed: Feed, limit: int) -> list[tuple[Any, ...]]:
    """The newest rows of a feed: its columns, then the message's time, seq and run."""
    names = {
        "columns": _list(feed.columns),
        "table": Identifier(feed.table),
        "newest": SQL("{} DESC").format(Identifier(feed.base_date or "_at")),
        "key": _list(feed.key or COORDINATES),
        "limit": Literal(limit),
    }
    with translated():
        return connection.execute(with_names("rows.newest", **names)).fetchall()


def encoder(feed: Feed) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    r"""How a checked row's values are written into COPY text: what COPY gives a meaning is escaped, null is \N."""
    special = [name for name, column in feed.columns.items() if column.free_text or column.nullable]

    def encode(row: dict[str, Any]) -> tuple[Any, ...]:
        for name in special:
            row[name] = _escaped(row[name])
        return tuple(row.values())

    return encode


def line_of(feed: Feed) -> str:
    """The form of a line of COPY text: where the row came from, its time, seq and run in one, then its values."""
    return "\t".join(["%s"] * (len(COORDINATES) + 1 + len(feed.columns))) + "\n"


def _escaped(value: object) -> str:
    """A value as COPY text writes it. To look for each character first is 40 times as fast as str.translate."""
    if value is None:
        return r"\N"
    text = str(value)
    if "\\" in text or "\t" in text or "\n" in text or "\r" in text:
        return text.translate(ESCAPED)
    return text


#: What COPY's text format gives a meaning.
ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
