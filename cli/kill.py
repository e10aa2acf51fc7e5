"""`feedfall kill`: stop what runs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import operate.kill
from cli import show
from cli.options import By, Grace, Patience, Preview, Reason, actor, aside, seconds
from operate import previews
from operate.act import check_reason
from operate.follow import Watch
from operate.kill import KillRequest
from steps.run.execution import stopping
from steps.run.exits import Exit

RunOrFeed = Annotated[str, typer.Argument(help="A Workflow's name, or a feed for all its runs.", metavar="NAME")]
AndHold = Annotated[
    bool, typer.Option("--and-hold", help="Hold the feed first, so that the sweep starts nothing of it again.")
]
TakeOver = Annotated[bool, typer.Option("--take-over", help="With --and-hold: make another person's hold your own.")]


def kill(
    name: RunOrFeed,
    reason: Reason,
    by: By,
    grace: Grace = "90s",
    patience: Patience = "1m",
    *,
    and_hold: AndHold = False,
    take_over: TakeOver = False,
    preview: Preview = False,
) -> None:
    """Stop a run, or all runs of a feed. A run ends its chunk or rolls it back; Argo does not retry it."""
    wanted = KillRequest(name, actor(by), check_reason(reason), and_hold=and_hold, take_over=take_over)
    with stopping() as stop:
        watch = Watch(stop, seconds(patience), 86_400, aside, seconds(grace))
        if preview:
            shown = operate.kill.look(wanted, os.environ, watch)
            return show.say("\n".join(map(previews.words, shown)))
        result = operate.kill.kill(wanted, os.environ, watch)
    for each in result.stops:
        show.say(f"{each.text}.")
    if not result.stops:
        show.say(f"nothing of {name} runs." + (f" {name} is held." if and_hold else ""))
    for follow in result.follows:
        show.say(previews.after(follow))
    if not all(each.is_over for each in result.stops):
        sys.exit(Exit.TRANSIENT)
    return None
