"""A request from CI, Control-M or a person: start a run, follow it to its end, exit as it ended.

    feedfall submit fx --date 2026-10-30 --wait     pub, then until its rows are there       run key: (feed, date, seq)
    feedfall submit fx sub --wait                   one stage of a feed
    feedfall submit fx-verify --wait                any WorkflowTemplate, also a script of a team

The log goes to stdout, with exactly one RESULT line after it; the words of the command itself go to stderr. The same
command again finds its run. A SIGKILL leaves the run alone; SIGTERM stops it (exit 143).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from datetime import date
from typing import Annotated

import typer

import operate.submit
from business_day import NoSuchDay, read_date
from business_day.dates import FORMS
from catalog import Policy
from cli import show
from cli.options import By, Grace, Patience, actor, aside, seconds, visible
from cli.seat import SEAT, bound
from operate.ending import of_error
from operate.follow import Watch
from operate.progress import Progress
from operate.submit import SubmitRequest, SubmitResult
from steps.run.execution import stopping
from steps.run.exits import Misconfigured

#: How long a submission is followed where neither --timeout nor a due time that is still to come says it.
DEFAULT_TIMEOUT = "2h"

Name = Annotated[
    str, typer.Argument(help="A feed, such as fx, or a WorkflowTemplate, such as fx-verify.", metavar="NAME")
]
Stage = Annotated[str | None, typer.Argument(help="sub or relay: only that stage of the feed.", metavar="[STAGE]")]
BaseDate = Annotated[str, typer.Option("--date", help=f"기준일자, {FORMS}; the feed's today if absent.")]
Seq = Annotated[int, typer.Option(min=1, help="Number of the request of that date: a higher one requests it again.")]
Rerun = Annotated[bool, typer.Option("--rerun", help="Request it again: with the next free seq. Needs --reason.")]
RerunReason = Annotated[str, typer.Option(help="Why it is requested again; written to the journal.", callback=visible)]
PolicyName = Annotated[Policy | None, typer.Option(help="What to do on a closed day; the feed's own rule if absent.")]
Parameters = Annotated[
    list[str] | None, typer.Option("--param", "-p", help="NAME=VALUE for a template.", metavar="NAME=VALUE")
]
Wait = Annotated[bool, typer.Option("--wait", help="Follow it to its end, and exit as it ended.")]
Timeout = Annotated[
    str,
    typer.Option(help="Wait at most this long, then exit 82: 90s, 30m, 2h. If absent: until the due time, or 2h."),
]
Lenient = Annotated[
    bool, typer.Option("--lenient", help="Exit 0 instead of 77 when it was held, skipped, busy or empty.")
]


def submit(
    name: Name,
    by: By,
    stage: Stage = None,
    day: BaseDate = "",
    seq: Seq = 1,
    *,
    rerun: Rerun = False,
    reason: RerunReason = "",
    policy: PolicyName = None,
    param: Parameters = None,
    wait: Wait = False,
    timeout: Timeout = "",
    patience: Patience = "10m",
    grace: Grace = "90s",
    lenient: Lenient = False,
) -> None:
    """Request a feed's rows of a date, or start a template. With --wait: follow it, and exit as it ended."""
    began, seat = time.monotonic(), SEAT.get()
    with stopping() as stop:
        try:
            watch = Watch(stop, seconds(patience), seconds(timeout or DEFAULT_TIMEOUT), aside, seconds(grace))
            if seat:
                seat.bound(watch)
            wanted = SubmitRequest(
                name=name,
                by=actor(by).words if seat else by,
                stage=stage or "",
                day=_date(day),
                seq=seq,
                rerun=rerun,
                reason=reason,
                policy=policy,
                parameters=_pairs(param or ()),
                wait=wait,
                until_due=not timeout,
                resume=seat.resume if seat else None,
            )
        except Misconfigured as error:
            result = SubmitResult(of_error(error, Progress()), Progress())
        else:
            result = operate.submit.submit(wanted, os.environ, watch, bound(show.say))
    if seat:
        seat.progress = result.progress
    _leave(result, time.monotonic() - began, lenient=lenient)


def _leave(result: SubmitResult, took: float, *, lenient: bool) -> None:
    show.say(result.line(took))
    sys.exit(result.ending.lenient().code if lenient else result.ending.code)


def _date(text: str) -> date | None:
    try:
        return read_date(text) if text else None
    except NoSuchDay as error:
        raise Misconfigured(f"--date {error}") from None


def _pairs(given: Iterable[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for name, between, value in pairs:
        if not (name and between):
            raise Misconfigured(f"--param {name + between + value!r} is not NAME=VALUE")
    return {name: value for name, _, value in pairs}
