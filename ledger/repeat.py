"""An answer that relay gave twice, as after a restored backup, and a person who has looked at it and accepts it."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from ledger.database import Connection, fetch_one
from ledger.errors import translated

#: The journal's verb. `verify.answers` reads it, with the number of rows that were accepted.
VERB = "accept-repeat"


@dataclass(frozen=True)
class Repeat:
    """An answer of `count` rows of which `rows` have a fate."""

    base_date: date | None
    count: int
    rows: int


def find(connection: Connection, feed: str, correlation_id: UUID) -> Repeat | None:
    """The answer, where it was given more than once."""
    with translated():
        return fetch_one(connection, Repeat, "repeat.given", feed=feed, id=correlation_id)
