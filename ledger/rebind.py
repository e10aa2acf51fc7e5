"""What a moved topic has in common with the one that was read. Called by `operate/rebind.py`.

new partition, read whole ──COPY──▶ _again ◀── compared with ── the last rows of the old one that stand in the table
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Identifier, Literal

from ledger.database import fetch_all, one
from ledger.errors import translated
from ledger.merge import load_by_halves
from ledger.rows import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog import Feed
    from ledger.database import Connection


@dataclass(frozen=True)
class Bound:
    """An open source, and the topic that it is bound to."""

    id: int
    stage: str
    topic: str
    topic_id: str
    cluster_id: str | None
    partition: int
    next_offset: int


@dataclass(frozen=True)
class Match:
    """A message of the old partition, and the offsets at which the new one has the same rows."""

    offset: int
    found: Sequence[int] | None


@dataclass(frozen=True)
class Tail:
    """What was recorded after an offset and does not stand in the table."""

    set_aside: int
    replaced: int


def fetch_bound(connection: Connection, feed: Feed) -> list[Bound]:
    """The open sources of a feed, of all stages."""
    with translated():
        return fetch_all(connection, Bound, "rebind.known", feed=feed.name)


class Overlap:
    """One comparison: take each chunk of the new topic, then ask for each old source. Gone when the session ends."""

    def __init__(self, connection: Connection, feed: Feed) -> None:
        self._connection, self._feed, self._table = connection, feed, Table(feed)
        with translated():
            connection.execute(self._table.statement("deep.again"))

    def take(self, blocks: Sequence[bytes]) -> None:
        """Lines of the new topic, under the source that they are to be compared with."""
        with translated():
            if blocks:
                copy = self._table.copy
                load_by_halves(self._connection, blocks, lambda some: copy(self._connection, some, into=AGAIN))

    def oldest(self, source: int, limit: int) -> int:
        """The offset of the oldest of the last rows of an old source; -1: none stands in the table."""
        statement = self._table.statement("rebind.oldest", source=Literal(source), limit=Literal(limit))
        with translated():
            [[offset]] = self._connection.execute(statement).fetchall()
        return int(offset)

    def matches(self, source: int, limit: int) -> list[Match]:
        """The last messages of an old source whose rows stand in the table, newest first."""
        facts = list(self._feed.columns)
        statement = self._table.statement(
            "rebind.compare",
            source=Literal(source),
            limit=Literal(limit),
            i_facts=SQL(", ").join(Identifier("i", fact) for fact in facts),
            t_facts=SQL(", ").join(Identifier("t", fact) for fact in facts),
        )
        with translated():
            return [Match(offset, found) for offset, found in self._connection.execute(statement).fetchall()]

    def tail(self, source: int, after: int) -> Tail:
        with translated():
            return Tail(*one(self._connection, "rebind.tail", source=source, after=after))


AGAIN = Identifier("_again")
