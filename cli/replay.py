"""`feedfall replay`: rows that the ledger counts and the table has lost come back from Kafka."""

from __future__ import annotations

import sys
from datetime import date
from typing import Annotated

import typer

from business_day import read_date
from cli import show
from cli.options import By, FeedName, Json, Reason, actor, load_feed, read_settings
from operate import replay
from operate.act import Act
from operate.replay import Offsets
from steps.run.execution import Outcome, stopping
from steps.run.exits import Exit, Misconfigured
from steps.run.status import Status

FirstDate = Annotated[str, typer.Option("--from", metavar="DATE", help="Rows of base dates from here …")]
LastDate = Annotated[str, typer.Option("--to", metavar="DATE", help="… to here, both included.")]
OffsetRange = Annotated[
    str, typer.Option("--offsets", metavar=replay.FORM, help="Both ends are included: fx.response/0:100-250.")
]

#: A fate → the words for it.
WORDS = {
    "loaded": "new",
    "restored": "set back",
    "duplicate": "duplicate",
    "superseded": "superseded",
    "quarantined": "in quarantine",
    "refused": "refused by today's feed",
    "unreadable": "whose corrected value the journal cannot give back",
    "passed": "of other dates",
}
ALWAYS = ("loaded", "duplicate")


def replay_feed(
    feed: FeedName,
    reason: Reason,
    by: By,
    first: FirstDate = "",
    last: LastDate = "",
    offsets: OffsetRange = "",
    *,
    as_json: Json = False,
) -> None:
    """Read offsets that were read before again, and put back lost rows. The checkpoint and the ledger stay the same."""
    wanted, span = load_feed(feed), _range(first, last, offsets)
    asked = {"offsets": offsets} if offsets else {"from": first, "to": last}
    act = Act("replay", actor(by), reason, feed, asked)
    with stopping() as stop:
        outcome = replay.replay_range(read_settings(wanted), wanted, span, act, stop)
    if as_json:
        show.as_json({"feed": feed, "status": outcome.status, "reason": outcome.reason, **outcome.counts})
    else:
        show.say(_summary(feed, outcome))
    if outcome.exit or outcome.status.idle:
        sys.exit(outcome.exit or Exit.NOT_DONE)


def _range(first: str, last: str, offsets: str) -> Offsets | tuple[date, date]:
    if bool(offsets) == bool(first or last) or bool(first) != bool(last):
        raise Misconfigured(f"give --from and --to together, or --offsets {replay.FORM}")
    if offsets:
        return replay.offsets(offsets)
    dates = read_date(first), read_date(last)
    if dates[1] < dates[0]:
        raise Misconfigured(f"--to {last} is before --from {first}")
    return dates


def _summary(feed: str, outcome: Outcome) -> str:
    counts = outcome.counts
    fates = ", ".join(f"{counts[name]:,} {word}" for name, word in WORDS.items() if counts.get(name) or name in ALWAYS)
    lines = [f"{feed}: {counts.get('read', 0):,} rows read again: {fates}."] if counts else []
    if outcome.status is not Status.SUCCEEDED:
        lines.append(f"{outcome.status}: {outcome.reason}")
    elif outcome.reason:
        lines.append(f"{outcome.reason}.")
    if counts.get("gone"):
        lines.append(f"{counts['gone']:,} recorded offsets are no longer in Kafka: their rows cannot come back.")
    if counts.get("missing"):
        lines.append(f"{counts['missing']:,} rows that the ledger counts are still missing: `feedfall verify {feed}`.")
    return "\n".join(lines)
