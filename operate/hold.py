"""hold and free: stop a feed, and let it go on. Called by `feedfall hold` and `feedfall free`.

open ──hold──▶ held ──free──▶ open        `free` also lifts a block (a fault's) and a wait (a partner's quota)
blocked ──free --all --code──▶ open       one cause that blocked many feeds
"""

from __future__ import annotations

from catalog import Feed
from ledger import control
from ledger.control import LiftedBlock
from ledger.database import Connection
from steps.run.exits import BLOCKING, Misconfigured


def hold(connection: Connection, feed: Feed, by: str, reason: str) -> None:
    """Stop a feed. Once the caller has committed, no run of it commits any more. Its messages stay in Kafka."""
    control.hold(connection, feed.name, by, reason)


def free(connection: Connection, feed: Feed, by: str, reason: str) -> bool:
    """Let a feed go on; False where it was neither held nor blocked. The caller commits."""
    return control.free(connection, feed.name, by, reason)


def free_all(connection: Connection, code: int, by: str, reason: str) -> list[LiftedBlock]:
    """Lift the blocks of one exit code, of every feed of this database. The caller commits."""
    return control.free_all(connection, code, by, reason)


def check_code(code: int) -> None:
    """Raise Misconfigured for an exit code that blocks no feed."""
    if code not in BLOCKING:
        raise Misconfigured(
            f"--code {code} blocks no feed: {', '.join(str(int(each)) for each in sorted(BLOCKING))} do"
        )
