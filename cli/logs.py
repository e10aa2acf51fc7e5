"""`feedfall logs`: read what a run printed."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cli import show
from cli.options import Patience, aside, seconds
from operate.follow import Watch
from operate.logs import read_log
from steps.run.execution import stopping

RunName = Annotated[str, typer.Argument(help="A Workflow's name: `feedfall runs` lists them.", metavar="NAME")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run is over.")]


def logs(name: RunName, *, follow: Follow = False, patience: Patience = "1m") -> None:
    """Print the log of a run, all its attempts. Once Argo has removed the pods: what the ledger kept, if it failed."""
    with stopping() as stop:
        watch = Watch(stop, seconds(patience), 86_400 * 7, aside)
        result = read_log(name, os.environ, watch, show.say, follow=follow)
    if result:
        show.say(result)
