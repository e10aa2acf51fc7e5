"""accept-repeat: a person has looked at an answer that relay gave twice, and says why it is no fault any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger import repeat
from ledger.errors import Misconfigured

if TYPE_CHECKING:
    from uuid import UUID

    from catalog import Feed
    from ledger.database import Connection
    from ledger.repeat import Repeat


def accept(connection: Connection, feed: Feed, correlation_id: UUID, by: str, reason: str) -> Repeat:
    """Accept the answer as it is now. The caller commits. Raises Misconfigured where it was not given twice."""
    found = repeat.find(connection, feed.name, correlation_id)
    if found is None:
        raise Misconfigured(f"no answer {correlation_id} of {feed.name} was given twice: `feedfall verify` names those")
    repeat.accept(connection, feed.name, correlation_id, found.rows, by, reason)
    return found
