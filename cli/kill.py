"""Stopping what runs, and reading what it said."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Annotated

import typer

from catalog import find
from cli import show
from cli.options import By, Reason
from cli.submit import Patience, seconds
from ledger import journal
from operate.argo import Argo
from operate.ending import Workflow
from operate.follow import Tail, Watch, halt, over
from operate.patient_ledger import Book
from steps.run import settings
from steps.run.execution import stopping
from steps.run.exits import Exit, Misconfigured

Target = Annotated[str, typer.Argument(help="A Workflow's name, or a feed: then all of it that runs.", metavar="NAME")]
Grace = Annotated[str, typer.Option(help="Wait so long for a stopped run to be gone.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Until it is over.")]


def kill(name: Target, reason: Reason, by: By, grace: Grace = "90s", patience: Patience = "1m") -> None:
    """Stop a run, or all that runs of a feed. It ends its chunk or rolls it back; Argo does not try it again."""
    with stopping() as stop, Argo(os.environ) as argo:
        watch = Watch(stop, seconds(patience), 86_400, _aside, seconds(grace))
        patient = Book(os.environ, watch)
        chosen = watch.patiently(lambda: _chosen(argo, name))
        for each in chosen:
            watch.patiently(partial(argo.stop, each.name, f"{by}: {reason}"))
        # After the act: a database that is away must not keep a person from stopping a run.
        with patient as ask:
            for each in chosen:
                ask(partial(journal.write, verb="kill", feed=each.feed, who=by, reason=reason, workflow=each.name))
        gone = [halt(argo, each.name, watch, reason) for each in chosen]
    for _, words in gone or [(True, f"nothing of {name} runs")]:
        show.say(f"{words}.")
    if not all(is_over for is_over, _ in gone):
        sys.exit(Exit.TRANSIENT)


def logs(name: Target, *, follow: Follow = False, patience: Patience = "1m") -> None:
    """Print what a run said, all its attempts. Gone when Argo has removed its pods: `feedfall runs` remains."""
    with stopping() as stop, Argo(os.environ) as argo:
        watch = Watch(stop, seconds(patience), 86_400 * 7, _aside)
        if watch.patiently(lambda: argo.get(name)) is None:
            raise Misconfigured(f"there is no Workflow {name} (any more): `feedfall runs` lists what ran")
        tail = Tail(argo, name, show.say)
        if follow:
            tail.begin()
            over(argo, name, watch)
        tail.finish()
        if tail.result:
            show.say(tail.result)


def _chosen(argo: Argo, name: str) -> list[Workflow]:
    found = argo.get(name)
    if found:
        return [] if found.over else [found]
    if name in find.names(settings.packages(os.environ)):
        return argo.running({"feedfall/feed": name})
    raise Misconfigured(f"{name} is neither a Workflow that Argo has nor a feed")


def _aside(words: str) -> None:
    show.say(words, err=True)
