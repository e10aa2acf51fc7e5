"""`feedfall hold` and `feedfall free`: stop a feed, and let it go on."""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

import operate.hold
from catalog import find
from cli import show
from cli.options import By, FeedName, Reason, in_each_database, load_feed, open_ledger
from ledger import request
from ledger.errors import Misconfigured
from steps.run import settings

if TYPE_CHECKING:
    from ledger.control import LiftedBlock


def hold(feed: FeedName, reason: Reason, by: By) -> None:
    """Stop a feed: when this returns, no run of it commits any more. Its messages stay in Kafka."""
    wanted = load_feed(feed)
    with open_ledger(wanted) as (_, connection):
        operate.hold.hold(connection, wanted, by, reason)
    show.say(f"{feed} is held by {by}: {reason}. `feedfall free {feed}` lets it go on.")


def free(
    reason: Reason,
    by: By,
    feed: Annotated[str | None, typer.Argument(help="The feed's name, such as fx.", metavar="[FEED]")] = None,
    *,
    all_feeds: Annotated[bool, typer.Option("--all", help="Every feed that is blocked with --code.")] = False,
    code: Annotated[int | None, typer.Option(help="With --all: the exit code that blocked them, such as 78.")] = None,
) -> None:
    """Let a held or blocked feed go on; the next doorbell or sweep starts it."""
    if (feed is None) != all_feeds or (code is None) == all_feeds:
        raise Misconfigured("give a feed, or --all and --code together")
    if feed is not None:
        _free_one(feed, by, reason)
    elif code is not None:
        _free_all(code, by, reason)


def _free_one(feed: str, by: str, reason: str) -> None:
    wanted = load_feed(feed)
    with open_ledger(wanted) as (_, connection):
        lifted = operate.hold.free(connection, wanted, by, reason)
        kept = request.count_kept(connection, wanted.name)
    show.say(f"{feed} is free.{_kept(kept)}" if lifted else f"{feed} was neither held nor blocked.")


def _kept(count: int) -> str:
    """What becomes of orders that were given meanwhile."""
    orders = (
        "1 order was kept: the sweep sends it" if count == 1 else f"{count:,} orders were kept: the sweep sends them"
    )
    return f" {orders} within a minute." if count else ""


def _free_all(code: int, by: str, reason: str) -> None:
    operate.hold.check_code(code)
    feeds, _ = find.usable(settings.packages(os.environ))  # they name the databases
    answers = in_each_database(
        feeds, lambda _, connection, __: operate.hold.free_all(connection, code, by, reason), needs_kafka=False
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
