"""Accepting a gap, at the desk: shown first, done only with --yes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli import show
from cli.options import By, FeedName, Json, Reason, known, ledger
from operate import skip_gap
from operate.ending import NOT_DONE
from operate.skip_gap import Gap
from steps.run import settings
from steps.run.execution import Outcome, executing, stopping
from steps.run.exits import Failure, exit_of

Yes = Annotated[bool, typer.Option("--yes", help="Accept it. Without this it is only shown.")]


def skip(feed: FeedName, reason: Reason, by: By, *, yes: Yes = False, as_json: Json = False) -> None:
    """Accept that Kafka lost offsets before they were read (exit 81), and let the feed go on behind them."""
    outcome, gaps = _skip(feed, by, reason) if yes else _look(feed)
    if as_json:
        shown = [dict(zip(COLUMNS, _line(each), strict=True)) for each in gaps]
        show.as_json({"feed": feed, "status": outcome.status, "reason": outcome.reason, "gaps": shown})
    else:
        _say(feed, outcome, gaps)
    if outcome.status not in ("SUCCEEDED", "NOTHING"):
        sys.exit(NOT_DONE)


def _look(feed: str) -> tuple[Outcome, list[Gap]]:
    asked = known(feed)
    with ledger() as (environment, connection):
        gaps = skip_gap.find(environment, connection, asked)
    return Outcome("SHOWN" if gaps else "NOTHING"), gaps


def _skip(feed: str, by: str, reason: str) -> tuple[Outcome, list[Gap]]:
    asked, environment = known(feed), settings.read()
    with stopping() as stop, executing(environment, feed, "skip-gap", 0, stop) as (execution, ended):
        try:
            outcome, gaps = skip_gap.skip(execution, asked, by, reason)
        except Failure as error:
            ended.append(Outcome("FAILED", exit_of(error), str(error)))
            raise
        ended.append(outcome)
    return outcome, gaps


def _say(feed: str, outcome: Outcome, gaps: list[Gap]) -> None:
    show.table(COLUMNS, map(_line, gaps), empty=f"{feed} has no gap: there is nothing to skip.")
    if outcome.status == "SHOWN":
        show.say("Nothing was changed. With --yes these offsets are accepted as lost.")
    elif outcome.status == "BUSY":
        show.say(f"BUSY: {outcome.reason}. Try again.")
    elif gaps:
        show.say("Accepted as lost." + (f" {feed} is no longer blocked." if outcome.counts["freed"] else ""))


COLUMNS = ("stage", "topic", "partition", "from", "to", "offsets", "why")


def _line(each: Gap) -> tuple[object, ...]:
    """`to` is the first offset that will be read."""
    start = each.source.next_offset
    known = each.end - start if each.end else None
    return (each.stage, each.topic, each.source.partition, start, each.end, known, each.why)
