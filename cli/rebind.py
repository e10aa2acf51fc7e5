"""`feedfall rebind`: a topic was moved, renamed or mirrored. It is shown first, and done only with --yes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import operate.rebind
from cli import show
from cli.options import By, FeedName, Json, Reason, actor, load_feed, open_ledger, read_settings
from operate.act import Act
from operate.rebind import Move, RebindResult
from steps.run.execution import stopping
from steps.run.exits import Exit, Misconfigured
from steps.run.status import Status

Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without this it is only shown.")]
MapFile = Annotated[
    str | None, typer.Option("--map", help="A CSV of PARTITION,OFFSET: where each partition of the responses goes on.")
]


def rebind(
    feed: FeedName, reason: Reason, by: By, offsets: MapFile = None, *, yes: Yes = False, as_json: Json = False
) -> None:
    """Let a feed go on in the topic that its own was moved, renamed or mirrored to (exit 81)."""
    result = _rebind(feed, by, reason, offsets, yes=yes)
    outcome = result.outcome
    if as_json:
        shown = [dict(zip(COLUMNS, _line(each), strict=True)) for each in result.moves]
        show.as_json({"feed": feed, "status": outcome.status, "reason": outcome.reason, "moves": shown})
    else:
        _say(feed, result)
    if outcome.status not in (Status.SUCCEEDED, Status.NOTHING):
        sys.exit(Exit.NOT_DONE)


def _rebind(feed: str, by: str, reason: str, offsets: str | None, *, yes: bool) -> RebindResult:
    wanted = load_feed(feed)
    given = operate.rebind.read_map(_read(offsets), offsets) if offsets else {}
    with stopping() as stop:
        if yes:
            act = Act("rebind", actor(by), reason, feed)
            return operate.rebind.move(read_settings(wanted), wanted, given, act, stop)
        with open_ledger(wanted) as (environment, connection):
            return operate.rebind.look(environment, connection, wanted, given, stop)


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{file} cannot be read: {error}") from error


def _say(feed: str, result: RebindResult) -> None:
    outcome, moves = result.outcome, result.moves
    show.table(COLUMNS, map(_line, moves), empty=f"{feed} reads the topics that it has: there is nothing to rebind.")
    if outcome.status is Status.SHOWN:
        show.say("Nothing was changed. With --yes each goes on at `to`.")
    elif outcome.status is Status.BUSY:
        show.say(f"BUSY: {outcome.reason}. Try again.")
    elif moves:
        show.say("Rebound." + (f" {feed} is no longer blocked." if outcome.counts["freed"] else ""))


COLUMNS = ("stage", "old topic", "partition", "from", "new topic", "to", "how sure")


def _line(each: Move) -> tuple[object, ...]:
    old = each.old
    return (old.stage, old.topic, old.partition, old.next_offset, each.topic.name, each.offset, each.sure)
