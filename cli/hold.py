"""`feedfall hold` and `feedfall free`: stop a feed, and let it go on."""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

import operate.hold
from cli import show
from cli.options import (
    BreakGlass,
    By,
    Preview,
    Reason,
    Ticket,
    actor,
    in_each_database,
    load_feed,
    load_feeds,
    open_ledger,
    ticket_of,
)
from ledger.control import Lift, Lifted
from ledger.errors import Misconfigured
from operate import previews
from operate.act import Act

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.control import LiftedBlock

SomeFeed = Annotated[str | None, typer.Argument(help="The feed's name, such as fx.", metavar="[FEED]")]


def hold(
    reason: Reason,
    by: By,
    feed: SomeFeed = None,
    *,
    all_feeds: Annotated[
        bool, typer.Option("--all", help="Every feed, of every database; needs a second person.")
    ] = False,
    take_over: Annotated[bool, typer.Option("--take-over", help="Make another person's hold your own.")] = False,
    preview: Preview = False,
    break_glass: BreakGlass = False,
    ticket: Ticket = None,
) -> None:
    """Stop a feed: when this returns, no run of it commits any more. Its messages stay in Kafka."""
    number = ticket_of(ticket, break_glass=break_glass)
    if (feed is None) != all_feeds or (all_feeds and take_over):
        raise Misconfigured("give a feed, or --all")
    if feed is None:
        return _hold_all(by, reason, number, preview=preview)
    return _hold_one(feed, by, reason, take_over=take_over, preview=preview)


def _hold_one(feed: str, by: str, reason: str, *, take_over: bool, preview: bool) -> None:
    wanted, who = load_feed(feed), actor(by)
    with open_ledger(wanted, needs_kafka=False) as (_, connection):
        if preview:
            return show.say(previews.words(operate.hold.look(connection, wanted, who, "hold")))
        before = operate.hold.hold(connection, wanted, who, reason, take_over=take_over)
    if before.held_at and not operate.hold.owns(who, before):
        show.say(f"It was {operate.hold.whose(before)}.")
    return show.say(f"{feed} is held by {who.words}: {reason}. `feedfall free {feed}` lets it go on.")


def _hold_all(by: str, reason: str, ticket: str | None, *, preview: bool) -> None:
    every = load_feeds(None)
    feeds, unusable = every.usable, every.unusable
    if preview:
        return show.say(previews.words(operate.hold.look_all(os.environ, feeds)))
    act = Act("hold", actor(by), reason, arguments={"all": True}, ticket=ticket)
    results = list(operate.hold.hold_all(os.environ, feeds, act))
    for each in results:
        show.say(f"{each.feed}: {f'NOT HELD: {each.failure}' if each.failure else each.words or 'held'}")
    for name, words in unusable.items():
        show.say(f"{name}: NOT HELD: {words}")
    failures = [each.failure for each in results if each.failure]
    count, all_of_them = len(results) - len(failures), len(results) + len(unusable)
    show.say(f"{count} of {all_of_them} feeds are held. `feedfall free --all` lifts yours.")
    if failures:
        raise failures[0]
    return None


def free(
    reason: Reason,
    by: By,
    feed: SomeFeed = None,
    *,
    all_feeds: Annotated[
        bool,
        typer.Option("--all", help="With --code: every feed blocked with it. Else: each hold of your `hold --all`."),
    ] = False,
    code: Annotated[int | None, typer.Option(help="With --all: the exit code that blocked them, such as 78.")] = None,
    only: Annotated[Lift | None, typer.Option(help="Lift only this; all of them if absent.")] = None,
    others: Annotated[bool, typer.Option("--others-hold", help="Lift it though another person holds it.")] = False,
    preview: Preview = False,
) -> None:
    """Let a held or blocked feed go on; the next doorbell or sweep starts it."""
    if (
        (feed is None) != all_feeds
        or (code is not None and not all_feeds)
        or (all_feeds and (only or others or preview))
    ):
        raise Misconfigured("give a feed, or --all, or --all and --code together")
    if feed is not None and preview:
        _preview_free(feed, by, only)
    elif feed is not None:
        _free_one(feed, by, reason, only, others=others)
    elif code is not None:
        _free_all(code, by, reason)
    else:
        _free_own(by, reason)


def _preview_free(feed: str, by: str, only: Lift | None) -> None:
    wanted = load_feed(feed)
    with open_ledger(wanted, needs_kafka=False) as (_, connection):
        show.say(previews.words(operate.hold.look(connection, wanted, actor(by), "free", only)))


def _free_one(feed: str, by: str, reason: str, only: Lift | None, *, others: bool) -> None:
    wanted = load_feed(feed)
    with open_ledger(wanted, needs_kafka=False) as (_, connection):
        lifted = operate.hold.free(connection, wanted, actor(by), reason, only=only, others=others)
        left = operate.hold.state(connection, wanted)
        kept = operate.hold.count_kept(connection, wanted)
    if not lifted:
        show.say(f"{operate.hold.nothing_to_lift(feed, only)}.")
    for line in _lines(lifted):
        show.say(f"Lifted: {line}.")
    if only and (left.held_at or left.blocked_at):
        show.say(f"{feed} does not move yet: {operate.hold.what_stays(left)}.")
    elif lifted:
        show.say(f"{feed} is free.{_kept(kept)}")


def _lines(lifted: Lifted) -> Iterator[str]:
    """What was lifted, each by its name."""
    before = lifted.before
    words = {
        Lift.HOLD: f"the hold, {operate.hold.whose(before)}",
        Lift.BLOCK: f"the block of {before.blocked_stage}, exit {before.blocked_code}: {before.blocked_reason}",
        Lift.WAIT: f"the wait for the partner's quota, until {show.word(before.wait_until)}",
    }
    yield from (words[each] for each in lifted.kinds)
    if lifted.hastened:
        yield f"the pause of {lifted.hastened:,} deferred requests: each is sent again at once"


def _free_own(by: str, reason: str) -> None:
    who = actor(by)
    answers = in_each_database(
        load_feeds(None), lambda _, connection, __: operate.hold.free_own(connection, who, reason), needs_kafka=False
    )
    lifted = list(chain(*answers.found.values()))
    for each in lifted:
        show.say(f"{each} is no longer held.")
    show.say(f"{len(lifted)} feeds were held by your `hold --all`." if lifted else "You hold nothing by `hold --all`.")
    answers.check()


def _kept(count: int) -> str:
    """What becomes of orders that were given meanwhile."""
    orders = (
        "1 order was kept: the sweep sends it" if count == 1 else f"{count:,} orders were kept: the sweep sends them"
    )
    return f" {orders} within a minute." if count else ""


def _free_all(code: int, by: str, reason: str) -> None:
    operate.hold.check_code(code)
    who = actor(by)
    answers = in_each_database(
        load_feeds(None),
        lambda _, connection, __: operate.hold.free_all(connection, code, who, reason),
        needs_kafka=False,
    )
    lifted = list(chain(*answers.found.values()))
    for each in lifted:
        show.say(f"{_lifted(each)}; {each.stage} had blocked it: {each.reason}")
    show.say(f"{len(lifted)} feeds were blocked with {code}." if lifted else f"No feed is blocked with {code}.")
    answers.check()


def _lifted(block: LiftedBlock) -> str:
    if block.held_by is None:
        return f"{block.feed} is free"
    return f"{block.feed} is no longer blocked, and stays held by {block.held_by}: {block.held_reason}"
