"""`feedfall skip-gap`: accept a gap. It is shown first, and accepted only with --yes."""

from __future__ import annotations

from typing import Annotated

import typer

import operate.skip_gap
from cli import show
from cli.ending import Words, end
from cli.options import (
    BreakGlass,
    By,
    FeedName,
    Json,
    Preview,
    Reason,
    Ticket,
    actor,
    load_feed,
    open_ledger,
    read_settings,
    ticket_of,
)
from operate import previews
from operate.act import Act
from operate.skip_gap import Gap, SkipResult
from steps.run.execution import stopping

Yes = Annotated[bool, typer.Option("--yes", help="Accept it. Without this it is only shown.")]


def skip(
    feed: FeedName,
    reason: Reason,
    by: By,
    *,
    yes: Yes = False,
    as_json: Json = False,
    preview: Preview = False,
    break_glass: BreakGlass = False,
    ticket: Ticket = None,
) -> None:
    """Accept that Kafka lost offsets before they were read (exit 81), and let the feed go on after them.

    A second person approves it: exit 77, ASKED, until then.
    """
    number = ticket_of(ticket, break_glass=break_glass)
    result = _skip(Act("skip-gap", actor(by), reason, feed, ticket=number)) if yes and not preview else _look(feed)
    if preview:
        return show.say(previews.words(operate.skip_gap.preview(load_feed(feed), result.gaps)))
    return end(feed, result.outcome, WORDS, list(map(_line, result.gaps)), as_json=as_json)


def _look(feed: str) -> SkipResult:
    wanted = load_feed(feed)
    with open_ledger(wanted) as (environment, connection):
        return operate.skip_gap.look(environment, connection, wanted)


def _skip(act: Act) -> SkipResult:
    wanted = load_feed(act.feed or "")
    with stopping() as stop:
        return operate.skip_gap.skip(read_settings(wanted), wanted, act, stop)


WORDS = Words(
    "gaps",
    ("stage", "topic", "partition", "from", "to", "offsets", "why"),
    empty="has no gap: there is nothing to skip.",
    shown="With --yes these offsets are accepted as lost.",
    done="Accepted as lost.",
)


def _line(each: Gap) -> tuple[object, ...]:
    """`to` is the first offset that will be read."""
    start = each.source.next_offset
    lost = each.end - start if each.end else None
    return (each.key.stage, each.topic, each.source.partition, start, each.end, lost, each.why)
