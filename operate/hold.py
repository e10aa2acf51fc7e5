"""hold and free: stop a feed, and let it go on. Called by `feedfall hold` and `feedfall free`.

open ──hold──▶ held ──free──▶ open        `free` also lifts a block (a fault's) and a wait (a partner's quota)
"""

from __future__ import annotations

from catalog import Feed
from ledger import control
from ledger.database import Connection


def hold(connection: Connection, feed: Feed, by: str, reason: str) -> None:
    """Stop a feed. Once the caller has committed, no run of it commits any more. Its messages stay in Kafka."""
    control.hold(connection, feed.name, by, reason)


def free(connection: Connection, feed: Feed, by: str, reason: str) -> bool:
    """Let a feed go on; False where it was neither held nor blocked. The caller commits."""
    return control.free(connection, feed.name, by, reason)
