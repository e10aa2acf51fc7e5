"""`feedfall accept-repeat`: an answer that relay gave twice is accepted, with a reason."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

import operate.accept_repeat
from cli import show
from cli.options import By, FeedName, Reason, actor, load_feed, open_ledger

Answer = Annotated[UUID, typer.Argument(help="Its correlation id, as `feedfall verify` prints it.", metavar="ANSWER")]


def accept(feed: FeedName, answer: Answer, reason: Reason, by: By) -> None:
    """Accept that relay gave an answer twice, so that `verify` no longer calls it BROKEN. No row changes."""
    wanted = load_feed(feed)
    with open_ledger(wanted, needs_kafka=False) as (_, connection):
        found = operate.accept_repeat.accept(connection, wanted, answer, actor(by), reason)
    show.say(f"Accepted: {found.rows} rows of answer {answer}, which has {found.count}.")
