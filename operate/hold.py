"""hold and free: stop a feed, and let it go on. Called by `feedfall hold` and `feedfall free`.

open ──hold──▶ held ──free──▶ open        `free` also lifts a block (a fault's) and a wait (a partner's quota)
blocked ──free --all --code──▶ open       one cause that blocked many feeds

A hold is its person's own: another one says whose it is, and takes it over or lifts it only when that is said.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger import control, databases, heartbeat, request
from ledger.control import Lift, Lifted, LiftedBlock
from ledger.database import session
from ledger.errors import Failure, Refused, Transient
from operate import approval, previews
from operate.act import Act, Actor, acting
from operate.previews import Facts, Preview, kst
from steps.run.exits import BLOCKING, Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from catalog import Feed
    from ledger.control import Control
    from ledger.database import Connection


@dataclass(frozen=True)
class FeedResult:
    """What became of one feed of many. `failure`: it was not done, and why; `words`: why nothing was to be done."""

    feed: str
    words: str = ""
    failure: Failure | None = None


def hold(connection: Connection, feed: Feed, actor: Actor, reason: str, *, take_over: bool = False) -> Control:
    """Stop a feed, and commit: from now on no run of it commits anything. Its messages stay in Kafka.

    Returns what was there before. Raises Refused where another person holds it, unless it is taken over.
    """
    arguments = {"take_over": True} if take_over else {}
    return _hold(connection, Act("hold", actor, reason, feed.name, arguments), take_over=take_over)


def _hold(connection: Connection, act: Act, *, take_over: bool = False, with_all: bool = False) -> Control:
    actor, feed = act.actor, act.feed or ""
    with acting(connection, act) as record:
        before = control.lock(connection, feed)
        if not control.hold(
            connection,
            feed,
            actor.who,
            record.act.reason,
            signed_in=actor.login,
            with_all=with_all,
            take_over=take_over,
        ):
            raise Refused(f"{feed} is {whose(before)}; `--take-over` makes it yours")
        record.before, record.after = shown(before), shown(control.state(connection, feed))
    return before


def free(
    connection: Connection, feed: Feed, actor: Actor, reason: str, *, only: Lift | None = None, others: bool = False
) -> Lifted:
    """Let a feed go on, and commit; false where there was nothing to lift. `only`: one of hold, block and wait.

    Raises Refused for another person's hold, unless `others` says that it is meant.
    """
    arguments = {"only": only} if only else {}
    act = Act("free", actor, reason, feed.name, arguments | ({"others_hold": True} if others else {}))
    with acting(connection, act) as record:
        before = control.lock(connection, feed.name)
        if before.held_at and only in (None, Lift.HOLD) and not others and not owns(actor, before):
            raise Refused(
                f"{feed.name} is {whose(before)}; `--others-hold` lifts it all the same, `--only block` leaves it"
            )
        lifted = control.free(connection, feed.name, only)
        if not lifted:
            record.refuse(nothing_to_lift(feed.name, only))
        record.before, record.after = shown(before), shown(control.state(connection, feed.name))
        record.detail["lifted"] = [*lifted.kinds]
    return lifted


def free_all(connection: Connection, code: int, actor: Actor, reason: str) -> list[LiftedBlock]:
    """Lift the blocks of one exit code, of every feed of this database, and commit. A line in the journal a feed."""
    with acting(connection, Act("free", actor, reason, arguments={"all": True, "code": code})) as record:
        lifted = control.free_all(connection, code)
        for each in lifted:
            about = {"code": code, "stage": each.stage, "blocked_reason": each.reason}
            record.line(connection, "free", each.feed, **about)
        if not lifted:
            record.refuse(f"no feed is blocked with {code}")
    return lifted


def hold_all(environ: Mapping[str, str], feeds: Sequence[Feed], act: Act) -> Iterator[FeedResult]:
    """Hold every feed, each by itself: a hold that is there stays, and a database that is away costs only its feeds.

    Each feed's own lines have the approval's number, or the ticket. Raises Asked, before anything is held.
    """
    act = _second_person(environ, feeds, act)
    for database in sorted({feed.database for feed in feeds}):
        left = [feed.name for feed in feeds if feed.database == database]
        try:
            with session(databases.url(environ, database=database), "feedfall hold --all") as connection:
                while left:
                    yield _hold_of_all(connection, left[0], act)
                    left.pop(0)
        except Failure as error:
            yield from (FeedResult(feed, failure=error) for feed in left)


def _second_person(environ: Mapping[str, str], feeds: Sequence[Feed], act: Act) -> Act:
    """The act with its approval. It is asked for in one database; a ticket needs none."""
    try:
        with session(databases.url(environ, database=home(feeds)), "feedfall hold --all") as connection:
            with acting(connection, act) as record:
                approval.obtain(connection, record, look_all(environ, feeds))
                approval.use(connection, record)
            return record.act
    except Transient:
        if not act.ticket:
            raise
        return act


def look_all(environ: Mapping[str, str], feeds: Sequence[Feed]) -> Preview:
    """What `hold --all` would do now. What is not known of a database that is away is not held."""
    held: dict[str, str] = {}
    for database in sorted({feed.database for feed in feeds}):
        with suppress(Failure), session(databases.url(environ, database=database), "feedfall hold") as connection:
            states = {each.name: state(connection, each) for each in feeds if each.database == database}
            held |= {name: whose(found) for name, found in states.items() if found.held_at}
    return previews.preview("hold-all", Facts(feeds=sorted(each.name for each in feeds), held=held))


def look(connection: Connection, feed: Feed, actor: Actor, verb: str, only: Lift | None = None) -> Preview:
    """What `hold` or `free` of this feed would do now."""
    found, alarm = state(connection, feed), heartbeat.alarm(connection)
    return previews.preview(verb, Facts(feed.name, found, owns(actor, found), only=only, sweep=alarm))


def home(feeds: Sequence[Feed]) -> str:
    """The database in which what concerns all feeds is asked for: DATABASE_URL's, or else the first."""
    return min(feed.database for feed in feeds)


def _hold_of_all(connection: Connection, feed: str, act: Act) -> FeedResult:
    own = Act("hold", act.actor, act.reason, feed, {"all": True}, act.ticket, act.approval)
    try:
        before = control.state(connection, feed)
        if before.held_at:  # one's own stays what it was: `free --all` must not lift it
            return FeedResult(feed, words=whose(before))
        _hold(connection, own, with_all=True)
    except Failure as error:
        if connection.closed:
            raise
        return FeedResult(feed, failure=error)
    return FeedResult(feed)


def free_own(connection: Connection, actor: Actor, reason: str) -> list[str]:
    """Lift each hold that this person has by `hold --all` in this database. Blocks and waits stay. Commits."""
    with acting(connection, Act("free", actor, reason, arguments={"all": True})) as record:
        feeds = control.held_with_all(connection, actor.who, actor.login)
        for each in feeds:
            control.free(connection, each, Lift.HOLD)
            record.line(connection, "free", each, lifted=[Lift.HOLD])
        if not feeds:
            record.refuse(f"{actor.words} holds nothing by `hold --all`")
    return feeds


def owns(actor: Actor, state: Control) -> bool:
    """Is the hold this person's own? Both names must be the same: nobody becomes another person by `--by`."""
    return (state.held_by, state.held_signed_in or state.held_by) == (actor.who, actor.login)


def whose(state: Control) -> str:
    """Who holds a feed, since when and why; empty where nobody does."""
    if state.held_at is None:
        return ""
    signed_in = state.held_signed_in or state.held_by
    name = f"{state.held_by}" + (f" (signed in as {signed_in})" if signed_in != state.held_by else "")
    return f"held by {name} since {kst(state.held_at)}: {state.held_reason}"


def state(connection: Connection, feed: Feed) -> Control:
    """How a feed stands."""
    return control.state(connection, feed.name)


def count_kept(connection: Connection, feed: Feed) -> int:
    """How many orders were kept meanwhile: the sweep sends them once the feed is free."""
    return request.count_kept(connection, feed.name)


def what_stays(state: Control) -> str:
    """What still keeps a feed from moving."""
    if state.held_at:
        return whose(state)
    return f"{state.blocked_stage} ended with {state.blocked_code}: {state.blocked_reason}"


def nothing_to_lift(feed: str, only: Lift | None) -> str:
    """What `free` says where there is nothing to lift."""
    words = {
        None: "neither held nor blocked",
        Lift.HOLD: "not held",
        Lift.BLOCK: "not blocked",
        Lift.WAIT: "not waiting",
    }
    return f"{feed} was {words[only]}"


def shown(state: Control) -> dict[str, object]:
    """A feed's control row for the journal: what is set."""
    found = {name: value for name, value in vars(state).items() if value not in (None, False)}
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in found.items()}


def check_code(code: int) -> None:
    """Raise Misconfigured for an exit code that blocks no feed."""
    if code not in BLOCKING:
        raise Misconfigured(
            f"--code {code} blocks no feed: {', '.join(str(int(each)) for each in sorted(BLOCKING))} do"
        )
