"""Which base dates have rows in the feeds' own tables: all in one statement, and no locked table hides the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from ledger.database import rows
from ledger.statements import with_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from catalog import Feed
    from ledger.absence import RequestFacts
    from ledger.database import Connection
    from ledger.desk import Question


def look_up(
    connection: Connection, questions: Sequence[Question], requests: Mapping[tuple[str, date], Sequence[RequestFacts]]
) -> tuple[dict[tuple[str, date], datetime | None], frozenset[tuple[str, date]]]:
    """Base dates that no complete answer settles, looked up where an index answers; and which those were."""
    wanted: dict[str, tuple[Feed, list[date]]] = {}
    for each in questions:
        days = [day for day in each.in_table if not _is_settled(requests.get((each.feed.name, day), ()))]
        if days and each.feed.key[:1] == ("base_date",):
            wanted[each.feed.table] = (each.feed, days)
    readable = {name for (name,) in rows(connection, "desk.tables", names=list(wanted))}
    parts = [
        with_names("desk.in_table", feed=Literal(feed.name), days=Literal(days), table=Identifier(table))
        for table, (feed, days) in wanted.items()
        if table in readable
    ]
    if not parts:
        return {}, frozenset()
    try:
        with connection.transaction():  # a savepoint: who locks a feed's table now must not hide all feeds
            found = connection.execute(SQL(" UNION ALL ").join(parts)).fetchall()
    except psycopg.errors.LockNotAvailable:
        return {}, frozenset()
    asked = {(feed.name, day) for table, (feed, days) in wanted.items() if table in readable for day in days}
    return {(feed, day): ended or at for feed, day, at, ended in found}, frozenset(asked)


def _is_settled(requests: Sequence[RequestFacts]) -> bool:
    return any(each.status == "complete" for each in requests)
