"""Without a cluster: play the templates here, or show the whole way from a request to rows."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cli import show
from steps.run import settings

Folder = Annotated[Path, typer.Option(help="Where Kafka and PostgreSQL keep their data.", file_okay=False)]
Partner = Annotated[
    bool, typer.Option("--simulate/--real", help="A partner here that serves the ECB's history, or the ECB.")
]
Days = Annotated[str, typer.Option(help="So many TARGET days up to 2026-10-30, or all (7,126 since 1999).")]


def play(folder: Folder = Path(".local"), *, simulate: Partner = True) -> None:
    """Play feedfall here, without a cluster, until Ctrl-C: crons tick, the doorbell rings, Argo's API answers."""
    from local.partners.ecb import Ecb  # noqa: PLC0415 -- only this command needs the local extra
    from local.world import run_local  # noqa: PLC0415 -- likewise

    sys.exit(run_local(folder, settings.packages(os.environ), say=show.say, ecb=Ecb() if simulate else None))


def demo(days: Days = "250") -> None:
    """Show the whole way, from a request to rows, on real Kafka and PostgreSQL, in less than a minute."""
    from local import demo as story  # noqa: PLC0415 -- only this command needs the local extra

    if days != "all" and not (days.isdecimal() and 1 <= int(days) <= 7126):  # noqa: PLR2004 -- said in the message
        raise typer.BadParameter("give a number from 1 to 7126, or all", param_hint="--days")
    with tempfile.TemporaryDirectory(prefix="feedfall-demo-") as folder:
        try:
            story.demo(Path(folder), None if days == "all" else int(days), show.say)
        except story.Stuck as error:
            show.say(str(error), err=True)
            sys.exit(1)
