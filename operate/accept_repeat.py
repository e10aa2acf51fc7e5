"""accept-repeat: a person has looked at an answer that relay gave twice, and says why it is no fault any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger import repeat
from ledger.errors import Misconfigured
from operate.act import Act, acting

if TYPE_CHECKING:
    from uuid import UUID

    from catalog import Feed
    from ledger.database import Connection
    from ledger.repeat import Repeat
    from operate.act import Actor


def accept(connection: Connection, feed: Feed, correlation_id: UUID, actor: Actor, reason: str) -> Repeat:
    """Accept the answer as it is now, and commit. Raises Misconfigured where it was not given twice."""
    act = Act(repeat.VERB, actor, reason, feed.name, {"correlation_id": str(correlation_id)})
    with acting(connection, act) as record:
        found = repeat.find(connection, feed.name, correlation_id)
        if found is None:
            raise Misconfigured(
                f"no answer {correlation_id} of {feed.name} was given twice: `feedfall verify` names those"
            )
        # `verify` reads it of this line
        record.detail["rows"] = found.rows
    return found
