"""Is a feed open, held by a person, blocked by a fault, or waiting for a quota?"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from ledger import request
from ledger.database import Connection, fetch_all, fetch_one, maybe, run
from ledger.errors import translated
from ledger.journal import write


@dataclass(frozen=True)
class Control:
    """A feed's control row. Times are aware; None where it does not apply."""

    held_at: datetime | None = None
    held_by: str | None = None
    held_reason: str | None = None
    blocked_at: datetime | None = None
    blocked_code: int | None = None
    blocked_stage: str | None = None
    blocked_reason: str | None = None
    wait_until: datetime | None = None


@dataclass(frozen=True)
class LiftedBlock:
    """A block that was lifted, and the hold that stays."""

    feed: str
    stage: str
    reason: str
    held_by: str | None
    held_reason: str | None


def state(connection: Connection, feed: str) -> Control:
    """The feed's control row; a feed without one is open."""
    with translated():
        return fetch_one(connection, Control, "control.state", feed=feed) or Control()


def still_open(connection: Connection, feed: str, *, though_blocked: bool = False) -> bool:
    """At the head of a chunk: locks the control row FOR SHARE until the chunk ends. May wait for a `hold` in flight.

    `though_blocked`: a person works on what a fault stopped, and only another person's hold stops that.
    """
    found = maybe(connection, "control.share", feed=feed)
    return found is None or not (found[0] or (found[1] and not though_blocked))


@contextmanager
def kept_open(connection: Connection, feed: str) -> Iterator[bool]:
    """A transaction during which nobody can hold the feed; False: it is held or blocked already. Commits.

    For what leaves the database, such as a request: a `hold` returns before the block begins, or after its end.
    """
    with translated():
        connection.rollback()
        run(connection, "control.ensure", feed=feed)  # a row that is not there cannot be locked
        connection.commit()
        yield still_open(connection, feed)
        connection.commit()


def hold(connection: Connection, feed: str, who: str, reason: str) -> None:
    """Hold a feed. When the caller's commit returns, nothing of it commits any more."""
    with translated():
        run(connection, "control.hold", feed=feed, who=who, reason=reason)
        write(connection, "hold", feed, who, reason)


def free(connection: Connection, feed: str, who: str, reason: str) -> bool:
    """Lift a hold, a block and a wait, and end every request's deferral; False when there was none of them."""
    with translated():
        lifted = run(connection, "control.free", feed=feed) + request.hasten(connection, feed) > 0
        if lifted:
            write(connection, "free", feed, who, reason)
    return lifted


def free_all(connection: Connection, code: int, who: str, reason: str) -> list[LiftedBlock]:
    """Lift the blocks of that exit code, of every feed. A hold stays."""
    with translated():
        lifted = sorted(fetch_all(connection, LiftedBlock, "control.free_all", code=code), key=lambda each: each.feed)
        for each in lifted:
            write(connection, "free", each.feed, who, reason, code=code, stage=each.stage, blocked_reason=each.reason)
    return lifted


def block(connection: Connection, feed: str, stage: str, code: int, reason: str) -> None:
    """Block a feed that needs a person, so that the sweep starts nothing for it; `free` lifts it."""
    with translated():
        run(connection, "control.block", feed=feed, stage=stage, code=code, reason=reason)
        write(connection, "block", feed, stage, reason, exit_code=code)


def wait(connection: Connection, feed: str, until: datetime, reason: str) -> None:
    """Send the partner no request until then."""
    with translated():
        run(connection, "control.wait", feed=feed, until=until.astimezone(UTC))
        write(connection, "wait", feed, "relay", reason, until=until.isoformat())
