"""Who did what, and why. Lines are only added; the server sets their time and the login that wrote them."""

from collections.abc import Iterable, Mapping

from psycopg.types.json import Jsonb

from ledger.database import Connection, one
from ledger.errors import translated
from ledger.statements import sql


def write(connection: Connection, verb: str, feed: str | None, who: str, reason: str, **detail: object) -> None:
    """A line in the journal. The caller commits."""
    write_each(connection, verb, feed, who, reason, [detail])


def write_each(
    connection: Connection, verb: str, feed: str | None, who: str, reason: str, details: Iterable[Mapping[str, object]]
) -> None:
    """A line in the journal for each of many things that were done at once. The caller commits."""
    line = {"who": who, "verb": verb, "feed": feed, "reason": reason}
    connection.cursor().executemany(sql("journal.write"), [{**line, "detail": Jsonb(detail)} for detail in details])


def may_write(connection: Connection) -> bool:
    """May this session's role add lines?"""
    with translated():
        return bool(one(connection, "journal.may_write")[0])
