"""approve: a second person decides on what another one has asked for; what is approved is done at once, as asked.

    find ─▶ is the world still the same? ─ no ─▶ stale: ask again
                │ yes
            approved ─▶ the act, in the name of who asked, with the number of the approval
            rejected ─▶ it ends

A verb that stands in `GUARDED` is done here. Any other is only approved: the same command of who asked then does it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from catalog import find
from ledger import approval, databases
from ledger.database import session
from ledger.errors import Misconfigured, Refused
from operate import accept, hold, skip_gap
from operate.act import Act, Actor, Channel, acting
from steps.run import settings
from steps.run.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from catalog import Feed
    from ledger.approval import Approval
    from ledger.database import Connection
    from operate.act import Record
    from operate.previews import Preview


@dataclass(frozen=True)
class World:
    """Where an approved act is done."""

    environ: Mapping[str, str]
    stop: threading.Event = field(default_factory=threading.Event)

    def feed(self, name: str | None) -> Feed:
        return find.load(name or "", settings.packages(self.environ))

    def feeds(self) -> list[Feed]:
        return list(find.usable(settings.packages(self.environ))[0])

    def url(self, database: str) -> str:
        return databases.url(self.environ, database=database)


@dataclass(frozen=True)
class Guarded:
    """A verb that needs a second person: what it would do now, and how it is done. `do` says what was done."""

    look: Callable[[World, Approval], Preview]
    do: Callable[[World, Approval, Act], str]


def approve(world: World, database: str, number: int, actor: Actor, reason: str) -> str:
    """Approve, and do it; again: do what was approved and is not done. Raises Refused, and what the act raises."""
    with session(world.url(database), "feedfall approve") as connection:
        act = Act("approve", actor, reason, arguments={"approval": number})
        with acting(connection, act) as record:
            asked = _found(connection, number, record)
            stale = _decide(connection, world, asked, record)
    if stale:
        raise Refused(stale)
    guarded = GUARDED.get(asked.verb)
    if guarded is None:
        return f"approval {number} is approved: {asked.asked_by} does it with the same command again"
    return guarded.do(world, asked, _as_asked(asked))


def reject(world: World, database: str, number: int, actor: Actor, reason: str) -> None:
    """Reject it. Raises Refused."""
    with session(world.url(database), "feedfall approve") as connection:
        act = Act("reject", actor, reason, arguments={"approval": number})
        with acting(connection, act) as record:
            _found(connection, number, record)
            approval.decide(connection, number, "rejected", actor.who, actor.login, record.act.reason)


def look(world: World, asked: Approval) -> Preview | None:
    """What it would do now; None for a verb that only its own command previews."""
    guarded = GUARDED.get(asked.verb)
    return guarded.look(world, asked) if guarded else None


def _found(connection: Connection, number: int, record: Record) -> Approval:
    asked = approval.find(connection, number)
    if asked is None:
        raise Misconfigured(f"there is no approval {number}: `feedfall approvals` lists those that wait")
    record.act = replace(record.act, feed=asked.feed)
    record.detail |= {"verb": asked.verb, "asked_by": asked.asked_by}
    return asked


def _decide(connection: Connection, world: World, asked: Approval, record: Record) -> str:
    """Decide it, where it is undecided; why it must be asked for again, where the world has changed."""
    state = asked.state(datetime.now(UTC))
    if state not in ("asked", "approved"):
        raise Refused(f"approval {asked.id} is {state}: ask again")
    shown = look(world, asked)
    changed = shown is not None and shown.digest != asked.digest
    if state == "asked":
        actor = record.act.actor
        decision = "stale" if changed else "approved"
        approval.decide(connection, asked.id, decision, actor.who, actor.login, record.act.reason)
    if not changed:
        return ""
    words = f"the world has changed since approval {asked.id} was asked for ({asked.preview}): ask again"
    record.refuse(words)
    return words


def _as_asked(asked: Approval) -> Act:
    """The act in the name of who asked for it."""
    actor = Actor(
        asked.asked_by,
        channel=Channel(asked.asked_channel),
        address=asked.asked_address,
        signed_in=asked.asked_signed_in,
    )
    return Act(asked.verb, actor, asked.reason, asked.feed, asked.arguments, approval=asked.id)


# -- the verbs --


def _look_accept(world: World, asked: Approval) -> Preview:
    feed = world.feed(asked.feed)
    with session(world.url(feed.database), "feedfall approve") as connection:
        return accept.look(connection, feed, _date(asked), datetime.now(UTC))


def _do_accept(world: World, asked: Approval, act: Act) -> str:
    feed = world.feed(asked.feed)
    with session(world.url(feed.database), "feedfall approve") as connection:
        accept.accept(connection, feed, _date(asked), act, datetime.now(UTC))
    return f"{feed.name} {_date(asked)} counts as done without its rows"


def _date(asked: Approval) -> date:
    return date.fromisoformat(asked.arguments["base_date"])


def _look_skip_gap(world: World, asked: Approval) -> Preview:
    feed = world.feed(asked.feed)
    environment = settings.read(world.environ, database=feed.database)
    with session(environment.database_url, "feedfall approve") as connection:
        return skip_gap.preview(feed, skip_gap.look(environment, connection, feed).gaps)


def _do_skip_gap(world: World, asked: Approval, act: Act) -> str:
    feed = world.feed(asked.feed)
    result = skip_gap.skip(settings.read(world.environ, database=feed.database), feed, act, world.stop)
    if result.outcome.exit != Exit.OK or result.outcome.status.idle:
        raise Refused(f"approved, and not done: {result.outcome.status} {result.outcome.reason}. Approve it again")
    return f"{len(result.gaps)} gaps of {feed.name} are accepted as lost"


def _look_hold_all(world: World, asked: Approval) -> Preview:  # noqa: ARG001 -- the form of a look
    return hold.look_all(world.environ, world.feeds())


def _do_hold_all(world: World, asked: Approval, act: Act) -> str:  # noqa: ARG001 -- likewise
    results = list(hold.hold_all(world.environ, world.feeds(), act))
    lines = [f"{each.feed}: {each.failure or each.words or 'held'}" for each in results]
    failed = sum(each.failure is not None for each in results)
    return "\n".join([*lines, f"{len(results) - failed} feeds are held" + (f", {failed} are not" if failed else "")])


GUARDED: Mapping[str, Guarded] = {
    "accept": Guarded(_look_accept, _do_accept),
    "skip-gap": Guarded(_look_skip_gap, _do_skip_gap),
    "hold": Guarded(_look_hold_all, _do_hold_all),
}
