"""Is a feed open, held by a person, blocked by a fault, or waiting for a quota?"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from ledger import request
from ledger.database import Connection, fetch_all, fetch_one, maybe, rows, run
from ledger.errors import translated
from ledger.journal import write


@dataclass(frozen=True)
class Control:
    """A feed's control row. Times are aware; None where it does not apply."""

    held_at: datetime | None = None
    held_by: str | None = None
    held_signed_in: str | None = None
    held_reason: str | None = None
    held_with_all: bool = False
    blocked_at: datetime | None = None
    blocked_code: int | None = None
    blocked_stage: str | None = None
    blocked_reason: str | None = None
    wait_until: datetime | None = None


class Lift(StrEnum):
    """What keeps a feed from moving: a person's decision, a fault, or a partner's quota."""

    HOLD = "hold"
    BLOCK = "block"
    WAIT = "wait"


@dataclass(frozen=True)
class Lifted:
    """What a `free` lifted: it was there `before`, and it was asked for (`only`; None: all). Empty is false."""

    before: Control
    only: Lift | None = None
    hastened: int = 0
    """Deferred requests that are sent again at once."""

    def __bool__(self) -> bool:
        return bool(self.kinds or self.hastened)

    @property
    def kinds(self) -> list[Lift]:
        there = {
            Lift.HOLD: self.before.held_at,
            Lift.BLOCK: self.before.blocked_at,
            Lift.WAIT: self.before.wait_until,
        }
        return [each for each, since in there.items() if since and self.only in (None, each)]


#: The first number of the advisory locks of this table ("hold" in ASCII); the second is of the feed's name.
SPACE = 0x686F6C64


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
    maybe(connection, "control.enter", space=SPACE, feed=feed)
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


def lock(connection: Connection, feed: str) -> Control:
    """The feed's control row, which stays as it is until the caller's transaction ends. May wait for a chunk."""
    with translated():
        maybe(connection, "control.turn", space=SPACE, feed=feed)
        run(connection, "control.ensure", feed=feed)  # a row that is not there cannot be locked
        return fetch_one(connection, Control, "control.lock", feed=feed) or Control()


def hold(
    connection: Connection,
    feed: str,
    who: str,
    reason: str,
    *,
    signed_in: str | None = None,
    with_all: bool = False,
    take_over: bool = False,
) -> bool:
    """Hold a feed. When the caller's commit returns, nothing of it commits any more. False: another person holds it."""
    about = {"who": who, "signed_in": signed_in or who, "reason": reason, "with_all": with_all, "take_over": take_over}
    with translated():
        maybe(connection, "control.turn", space=SPACE, feed=feed)
        return run(connection, "control.hold", feed=feed, **about) == 1


def free(connection: Connection, feed: str, only: Lift | None = None) -> Lifted:
    """Lift a hold, a block, a wait, or (None) all of them and every request's deferral. The caller commits."""
    with translated():
        before = lock(connection, feed)
        lifts = {each: only in (None, each) for each in Lift}
        run(connection, "control.free", feed=feed, **lifts)
        hastened = request.hasten(connection, feed) if only is not Lift.HOLD and only is not Lift.BLOCK else 0
    return Lifted(before, only, hastened)


def held_with_all(connection: Connection, who: str, signed_in: str) -> list[str]:
    """The feeds that this person holds by `hold --all`."""
    with translated():
        return [row[0] for row in rows(connection, "control.held_with_all", who=who, signed_in=signed_in)]


def free_all(connection: Connection, code: int) -> list[LiftedBlock]:
    """Lift the blocks of that exit code, of every feed. A hold stays. The caller commits."""
    with translated():
        return sorted(fetch_all(connection, LiftedBlock, "control.free_all", code=code), key=lambda each: each.feed)


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
