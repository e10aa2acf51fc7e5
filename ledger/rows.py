"""How rows get into a feed's table: straight by COPY, and by a merge once a key is met that exists.

    blocks ──COPY──▶ table                     nothing existed: all loaded
               │ a key exists, the database refuses a row, or another run is at the same keys
               └──COPY──▶ merge ──▶ table      of each key the newest stands; what is refused is named, for quarantine

Blocks arrive while they are sent: PostgreSQL parses while Python validates while librdkafka fetches.
"""

from __future__ import annotations

from itertools import tee
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from ledger.errors import is_data, translated
from ledger.merge import MergeResult, ReloadResult, merge, merge_each
from ledger.statements import sql, with_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from catalog import Feed
    from ledger.database import Connection
    from ledger.merge import TakeOut

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


class Table:
    """A feed's table and the statements that load it."""

    def __init__(self, feed: Feed) -> None:
        key = feed.key or COORDINATES
        values = [name for name in feed.columns if name not in key] or [key[0]]
        every = [*LINEAGE, *feed.columns]
        rank = [*([feed.base_date] if feed.base_date else []), "_seq", "_at", *COORDINATES]
        changing = [name for name in every if name not in key]
        self.feed, self.name = feed, Identifier(feed.table)
        self._columns = _list(every)
        self._names: dict[str, Composed | Identifier] = {
            "table": self.name,
            "columns": self._columns,
            "key": _list(key),
            "t_key": _list(key, "t"),
            "joined": _joined(key, "t"),
            "n_joined": _joined(key, "n"),
            "changing": _list(changing),
            "i_changing": _list(changing, "i"),
            "values": _list(values),
            "i_values": _list(values, "i"),
            "t_values": _list(values, "t"),
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


def load(
    connection: Connection,
    table: Table,
    blocks: Iterable[bytes],
    *,
    merging: bool,
    alone: bool = True,
    take_out: TakeOut = lambda _: (),
) -> MergeResult | None:
    """Load a chunk inside the caller's transaction. None: every row was loaded. `blocks` may be lazy.

    `alone`: no other run writes the table's keys; else COPY, which takes keys as they come, soon gives way to a merge.
    """
    connection.execute(sql("rows.immediate"))
    blocks, again = tee(blocks)  # where COPY fails, a merge starts over and needs the whole chunk
    if not merging and _straight(connection, table, blocks, alone=alone):
        return None
    return merge(connection, table, list(again), take_out)


def reload(connection: Connection, table: Table, lines: Sequence[str]) -> ReloadResult:
    """Load rows of quarantine, inside the caller's transaction, as if they came now from where they came then."""
    return merge_each(connection, table, ["".join(lines).encode()]) if lines else ReloadResult()


def _straight(connection: Connection, table: Table, blocks: Iterable[bytes], *, alone: bool) -> bool:
    try:
        with connection.transaction():
            if not alone:
                connection.execute(sql("rows.impatient"))
            table.copy(connection, blocks)
            if not alone:
                connection.execute(sql("rows.patient"))
    except psycopg.Error as error:
        if is_data(error) or isinstance(error, ANOTHER_RUN):
            return False
        raise
    return True


#: Another run is writing the same keys, and COPY takes them in another order than it does.
ANOTHER_RUN = (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable)


def _list(names: Iterable[str], of: str | None = None) -> Composed:
    return SQL(", ").join(Identifier(of, name) if of else Identifier(name) for name in names)


def _joined(key: Iterable[str], other: str) -> Composed:
    return SQL(" AND ").join(SQL("i.{1} = {0}.{1}").format(Identifier(other), Identifier(name)) for name in key)


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
