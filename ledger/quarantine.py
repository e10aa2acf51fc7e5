"""The rows that are nowhere else, as a person looks at them."""

from dataclasses import dataclass
from datetime import datetime

from ledger.database import Connection, rows
from ledger.errors import translated


@dataclass(frozen=True)
class Entry:
    """One quarantined or deferred row; `row` -1 is a whole message."""

    feed: str
    topic: str
    partition: int
    offset: int
    row: int
    fate: str
    reason: str
    value: bytes | None
    at: datetime


def worklist(connection: Connection, feed: str | None = None, limit: int = 100) -> list[Entry]:
    """The newest entries first."""
    with translated():
        return [Entry(*found) for found in rows(connection, "quarantine.worklist", feed=feed, limit=limit)]
