"""`feedfall withdraw`: take a request back (주문취소)."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import operate.withdraw
from cli import show
from cli.options import BaseDate, By, FeedName, Json, Reason, base_date_of, load_feed, open_ledger
from steps.run.exits import Exit

Seq = Annotated[int | None, typer.Option(min=1, help="Only the request of this number; all of the date if absent.")]


def withdraw(feed: FeedName, day: BaseDate, reason: Reason, by: By, seq: Seq = None, *, as_json: Json = False) -> None:
    """Take back requests that have no answer: the partner is not asked for them. Exit 77 where all have one."""
    wanted = load_feed(feed)
    with open_ledger(wanted, needs_kafka=False) as (_, connection):
        found = operate.withdraw.withdraw(connection, wanted, base_date_of(day), seq, by, reason)
    lines = [(each.seq, "withdrawn" if each.now else "-", each.words) for each in found]
    if as_json:
        show.as_json([vars(each) for each in found])
    else:
        show.table(("seq", "now", "what happens"), lines, empty="")
    if not any(each.now or each.words.startswith("already") for each in found):
        sys.exit(Exit.NOT_DONE)
