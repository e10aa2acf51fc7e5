"""The deep proof: what Kafka says now, beside what the table and the ledger say. Called by `steps/verify.py`.

    chunk by chunk ──COPY──▶ _again ──┐                    equal: left out at once
                     what was read ──▶ _reread             in Kafka only: superseded, quarantined, or lost
                     what is refused ▶ _unread ──▶ compare in the table only: forged, or its record is gone

The temporary tables live in the database, so that neither side is ever whole in this process.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composed, Identifier, Literal
from psycopg.types.multirange import Int8Multirange
from psycopg.types.range import Int8Range

from ledger.database import one
from ledger.errors import translated
from ledger.merge import RefusedRow, load_by_halves
from ledger.rows import Table
from ledger.statements import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from catalog import Feed
    from ledger.chunk import Span
    from ledger.database import Connection

#: Sentences of one kind; the rest are counted.
LIMIT = 20


@dataclass(frozen=True)
class Depth:
    """How far a deep proof went. `offsets`: read again. The others could not be compared."""

    offsets: int
    rows: int
    gone: int
    """Recorded offsets that are no longer in Kafka: retention, a topic created anew, compaction."""
    unread: int
    """Records that today's feed refuses, and that are not in quarantine: it has changed since."""


class Comparison:
    """One comparison: begin → take each chunk → compare. Each commits."""

    def __init__(self, connection: Connection, feed: Feed) -> None:
        self._connection, self._feed, self._table = connection, feed, Table(feed)
        self._offsets = 0

    def begin(self) -> None:
        with translated():
            for name in ("deep.again", "deep.unread", "deep.reread"):
                self._connection.execute(self._table.statement(name))
            self._connection.commit()

    def take(self, spans: Sequence[Span], blocks: Sequence[bytes]) -> list[RefusedRow]:
        """A chunk that was read again; the rows that the database itself refuses."""
        refused: list[RefusedRow] = []
        with translated():
            if blocks:
                copy = partial(self._table.copy, self._connection, into=Identifier("_again"))
                refused = load_by_halves(self._connection, blocks, copy)
            for span in spans:
                self._offsets += span.to_offset - span.from_offset
                absent = Int8Multirange([Int8Range(low, high) for low, high in span.absent])
                where = {"source": span.source, "from_offset": span.from_offset, "to_offset": span.to_offset}
                self._connection.execute(sql("deep.take"), {**where, "absent": absent})
            self._connection.commit()
        return refused

    def refuse(self, rows: Iterable[tuple[int, int, int]]) -> None:
        """(source, offset, row) of what today's feed refuses."""
        with translated():
            values = [{"source": source, "offset": offset, "row": row} for source, offset, row in rows]
            self._connection.cursor().executemany(sql("deep.refuse"), values)
            self._connection.commit()

    def compare(self, gone: int) -> tuple[list[str], Depth]:
        """What does not agree, in sentences, on one snapshot; `gone`: recorded offsets that could not be read."""
        connection = self._connection
        with translated():
            for name in ("_again", "_unread", "_reread"):
                connection.execute(SQL("ANALYZE {}").format(Identifier(name)))
            connection.commit()
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SET LOCAL work_mem = '64MB'")
            for name in ("deep.differ", "deep.set_aside", "deep.lost"):
                connection.execute(self._statement(name))
            sentences = [sentence for name in SENTENCES for sentence in self._sentences(name)]
            rows, unread, hidden = one(connection, "deep.tally")
            connection.rollback()
        return sentences, Depth(self._offsets, rows, gone + hidden, unread)

    def _sentences(self, name: str) -> Iterator[str]:
        found = self._connection.execute(self._statement(f"deep.{name}")).fetchall()
        for line in found:
            yield SENTENCES[name].format(*line)
        if found and found[0][-1] > len(found):
            yield f"… and {found[0][-1] - len(found):,} more like it"

    def _statement(self, name: str) -> Composed:
        facts = [*self._feed.columns, "_at", "_seq"]
        return self._table.statement(
            name,
            i_facts=SQL(", ").join(Identifier("i", fact) for fact in facts),
            t_facts=SQL(", ").join(Identifier("t", fact) for fact in facts),
            differences=SQL(", ").join(map(_difference, facts)),
            feed=Literal(self._feed.name),
            limit=Literal(LIMIT),
        )


def _difference(name: str) -> Composed:
    words = (
        "CASE WHEN i.{0} IS DISTINCT FROM t.{0} THEN "
        "{1} || coalesce(t.{0}::text, 'null') || {2} || coalesce(i.{0}::text, 'null') END"
    )
    return SQL(words).format(Identifier(name), Literal(f"{name} is "), Literal(", in Kafka "))


#: What each check of deep.sql finds, in words.
SENTENCES = {
    "shown": "{}[{}] [{}, {}): {} is recorded as absent, and Kafka shows it to a client",
    "missing": "{}[{}]@{} row {}: in Kafka, and nowhere here: neither it nor a newer row of its key ({})",
    "older": "{}[{}]@{} row {}: the row of offset {} stands in its place, and is older",
    "changed": "{}[{}]@{} row {}: {}",
    "forged": "{}[{}]@{} row {}: in the table, and Kafka has no such row there",
    "elsewhere": "source {} offset {} row {}: in the table, and the ledger has no such origin",
}
