"""Replaying a settled range, at the desk: what the books say is there and is not comes back from Kafka."""

from __future__ import annotations

import sys
from datetime import date
from typing import Annotated

import typer

from business_day import read_date
from cli import show
from cli.options import By, FeedName, Json, Reason, known
from operate import replay
from operate.ending import IDLE, NOT_DONE
from operate.replay import Offsets
from steps.run import settings
from steps.run.execution import Outcome, executing, stopping
from steps.run.exits import Failure, Misconfigured, exit_of

First = Annotated[str, typer.Option("--from", metavar="DATE", help="Rows of these base dates: from here …")]
Last = Annotated[str, typer.Option("--to", metavar="DATE", help="… to here.")]
Range = Annotated[
    str, typer.Option("--offsets", metavar=replay.FORM, help="Both ends are read: fx.response/0:100-250.")
]

#: A fate → how it is said.
SAID = {
    "loaded": "new",
    "restored": "set back",
    "duplicate": "duplicate",
    "superseded": "superseded",
    "quarantined": "in quarantine",
    "refused": "refused by today's feed",
    "passed": "of other dates",
}
ALWAYS = ("loaded", "duplicate")


def replay_feed(
    feed: FeedName,
    reason: Reason,
    by: By,
    first: First = "",
    last: Last = "",
    offsets: Range = "",
    *,
    as_json: Json = False,
) -> None:
    """Read a settled range again and put back what is lost. The checkpoint and the books stay as they are."""
    asked, wanted = known(feed), _wanted(first, last, offsets)
    environment = settings.read()
    with stopping() as stop, executing(environment, feed, "replay", 0, stop) as (execution, ended):
        try:
            outcome = replay.run(execution, asked, wanted, by, reason)
        except Failure as error:
            ended.append(Outcome("FAILED", exit_of(error), str(error)))
            raise
        ended.append(outcome)
    if as_json:
        show.as_json({"feed": feed, "status": outcome.status, "reason": outcome.reason, **outcome.counts})
    else:
        show.say(_said(feed, outcome))
    if outcome.exit or outcome.status in IDLE:
        sys.exit(outcome.exit or NOT_DONE)


def _wanted(first: str, last: str, offsets: str) -> Offsets | tuple[date, date]:
    if bool(offsets) == bool(first or last) or bool(first) != bool(last):
        raise Misconfigured(f"give --from and --to together, or --offsets {replay.FORM}")
    if offsets:
        return replay.offsets(offsets)
    dates = read_date(first), read_date(last)
    if dates[1] < dates[0]:
        raise Misconfigured(f"--to {last} is before --from {first}")
    return dates


def _said(feed: str, outcome: Outcome) -> str:
    counts = outcome.counts
    fates = ", ".join(f"{counts[name]:,} {word}" for name, word in SAID.items() if counts.get(name) or name in ALWAYS)
    lines = [f"{feed}: {counts.get('read', 0):,} rows read again: {fates}."] if counts else []
    if outcome.status != "SUCCEEDED":
        lines.append(f"{outcome.status}: {outcome.reason}")
    if counts.get("gone"):
        lines.append(f"{counts['gone']:,} settled offsets are no longer in Kafka: rows of theirs cannot come back.")
    if counts.get("missing"):
        lines.append(f"{counts['missing']:,} rows that the books count are still missing: `feedfall verify {feed}`.")
    return "\n".join(lines)
