"""`feedfall kill`: stop what runs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import operate.kill
from cli import show
from cli.options import By, Grace, Patience, Reason, aside, seconds
from operate.follow import Watch
from steps.run.execution import stopping
from steps.run.exits import Exit

RunOrFeed = Annotated[str, typer.Argument(help="A Workflow's name, or a feed for all its runs.", metavar="NAME")]


def kill(name: RunOrFeed, reason: Reason, by: By, grace: Grace = "90s", patience: Patience = "1m") -> None:
    """Stop a run, or all runs of a feed. A run ends its chunk or rolls it back; Argo does not retry it."""
    with stopping() as stop:
        watch = Watch(stop, seconds(patience), 86_400, aside, seconds(grace))
        results = operate.kill.kill(name, os.environ, by, reason, watch)
    for each in results:
        show.say(f"{each.text}.")
    if not results:
        show.say(f"nothing of {name} runs.")
    if not all(each.is_over for each in results):
        sys.exit(Exit.TRANSIENT)
