"""`feedfall accept`: a base date counts as done without its rows (완료처리)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

import operate.accept
from cli import show
from cli.options import (
    BaseDate,
    BreakGlass,
    By,
    FeedName,
    Preview,
    Reason,
    Ticket,
    actor,
    base_date_of,
    load_feed,
    open_ledger,
    ticket_of,
)
from operate import previews

Undo = Annotated[bool, typer.Option("--undo", help="Take it back: the base date is watched again.")]


def accept(
    feed: FeedName,
    day: BaseDate,
    reason: Reason,
    by: By,
    *,
    undo: Undo = False,
    preview: Preview = False,
    break_glass: BreakGlass = False,
    ticket: Ticket = None,
) -> None:
    """Let a base date count as done without its rows. A second person approves it: exit 77, ASKED, until then."""
    wanted, base_date, now = load_feed(feed), base_date_of(day), datetime.now(UTC)
    number = ticket_of(ticket, break_glass=break_glass)
    with open_ledger(wanted, needs_kafka=False) as (_, connection):
        if preview:
            return show.say(previews.words(operate.accept.look(connection, wanted, base_date, now)))
        if undo:
            operate.accept.undo(connection, wanted, base_date, actor(by), reason)
            return show.say(f"{feed} {base_date} is no longer accepted: its rows are expected again.")
        asked = operate.accept.asked(wanted, base_date, actor(by), reason, number)
        operate.accept.accept(connection, wanted, base_date, asked, now)
    return show.say(f"{feed} {base_date} counts as done without its rows: {reason}.")
