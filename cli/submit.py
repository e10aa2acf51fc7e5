"""An order from CI, Control-M or a person: start a run, follow it to its end, exit with what became of it.

    feedfall submit fx --date 2026-10-30 --wait     pub, then until its rows are there       run key: (feed, date, seq)
    feedfall submit fx sub --wait                   one stage of a feed
    feedfall submit fx-verify --wait                any WorkflowTemplate, a script of a team too

The log goes to stdout, with exactly one RESULT line behind it; our own words go to stderr. The same order again finds
its run: the ledger knows what was ordered, and Argo what runs. A SIGKILL leaves the run alone; SIGTERM stops it (143).
"""

from __future__ import annotations

import getpass
import os
import random
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from itertools import count
from typing import Annotated
from uuid import UUID

import typer

from business_day import NoSuchDay, read_date
from business_day.dates import FORMS
from catalog import Feed, Policy, find
from catalog.message import correlation
from ledger import control, journal, request
from ledger.absence import fetch_facts
from ledger.request import State
from operate.argo import ORDERED, TEMPLATE, Argo
from operate.ending import Ending, of_pod, of_request
from operate.follow import Late, Stopped, Watch, follow
from operate.patient_ledger import Book
from steps.run import calendars, gate, settings
from steps.run.execution import stopping
from steps.run.exits import Exit, Failure, Misconfigured, Transient, exit_of
from steps.run.status import Status
from steps.watch import absence

LETTERS = "bcdfghjklmnpqrstvwxz2456789"
LONGEST = "2h"
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}

By = Annotated[str, typer.Option(help="Who does it.", envvar="FEEDFALL_BY", default_factory=getpass.getuser)]
Name = Annotated[
    str, typer.Argument(help="A feed, such as fx, or a WorkflowTemplate, such as fx-verify.", metavar="NAME")
]
Stage = Annotated[str | None, typer.Argument(help="sub or relay: only that stage of the feed.", metavar="[STAGE]")]
Day = Annotated[str, typer.Option("--date", help=f"기준일자, {FORMS}; the feed's today if absent.")]
Seq = Annotated[int, typer.Option(min=1, help="Which request of that date: higher asks again.")]
Rerun = Annotated[bool, typer.Option("--rerun", help="Ask again on purpose: the next free seq. Needs a reason.")]
Reason = Annotated[str, typer.Option(help="Why it is asked again; kept in the journal.")]
PolicyName = Annotated[Policy | None, typer.Option(help="What to do on a closed day; the feed's own rule if absent.")]
Given = Annotated[
    list[str] | None, typer.Option("--param", "-p", help="NAME=VALUE for a template.", metavar="NAME=VALUE")
]
Wait = Annotated[bool, typer.Option("--wait", help="Follow it to its end, and exit as it did.")]
Timeout = Annotated[
    str,
    typer.Option(help="Wait so long at most, then exit 82: 90s, 30m, 2h. If absent: to the due time; 2h after it."),
]
Patience = Annotated[str, typer.Option(help="Outlive so long an outage of Argo or the database, then exit 75.")]
Grace = Annotated[str, typer.Option(help="After SIGTERM: wait so long for the stopped run.")]
Lenient = Annotated[bool, typer.Option("--lenient", help="Exit 0, not 77, when it was held, skipped, busy or empty.")]


def submit(
    name: Name,
    by: By,
    stage: Stage = None,
    day: Day = "",
    seq: Seq = 1,
    *,
    rerun: Rerun = False,
    reason: Reason = "",
    policy: PolicyName = None,
    param: Given = None,
    wait: Wait = False,
    timeout: Timeout = "",
    patience: Patience = "10m",
    grace: Grace = "90s",
    lenient: Lenient = False,
) -> None:
    """Order a feed's rows of a date, or start a template. With --wait: follow it, and exit as it did."""
    began = time.monotonic()
    order = Order(name, stage or "", by, day, seq, rerun, reason, policy, tuple(param or ()), wait, bool(timeout))
    with stopping() as stop:
        errand = Errand()
        try:
            watch = Watch(stop, seconds(patience), seconds(timeout or LONGEST), _aside, seconds(grace))
            with Argo(os.environ) as argo:
                ending = errand.carry_out(order, argo, watch)
        except (Failure, find.UnknownFeed, Stopped, Late) as error:
            ending = errand.failed(error)
    ending = ending.lenient() if lenient else ending
    typer.echo(ending.result(errand.feed or "-", errand.stage, errand.run, time.monotonic() - began))
    sys.exit(ending.code)


@dataclass(frozen=True)
class Order:
    """What was asked for."""

    name: str
    stage: str
    by: str
    day: str
    seq: int
    rerun: bool
    reason: str
    policy: Policy | None
    given: Sequence[str]
    wait: bool
    timed: bool
    """How long to wait was said; where not, the feed's due time is the end."""


class Errand:
    """One order on its way. `feed`, `stage`, `run` and `counts` are what its RESULT line can tell at any moment."""

    def __init__(self) -> None:
        self.feed, self.stage, self.run = "", "-", "-"
        self.counts: dict[str, object] = {}

    def carry_out(self, order: Order, argo: Argo, watch: Watch) -> Ending:
        """Find the run or start it, and follow it. Raises Failure, Stopped, Late."""
        packages = settings.packages(os.environ)
        feed = find.load(order.name, packages) if order.stage or order.name in find.names(packages) else None
        if feed and order.stage in ("", "pub"):
            with Book(os.environ, watch) as ask:
                return self._rows(order, feed, argo, watch, ask)
        if order.rerun:
            raise Misconfigured("--rerun is for a feed's rows: a stage or a script is simply submitted again")
        return self._template(order, f"{feed.name}-{order.stage}" if feed else order.name, argo, watch)

    def failed(self, error: Exception) -> Ending:
        """What is said when it did not come to its end."""
        words = str(error) or None
        match error:
            case Stopped():
                return Ending(Status.STOPPED, Exit.STOPPED, words or "stopped by a signal", self.counts)
            case Late():
                late = f"no end of it in time; {self.run} goes on, and the same order finds it again"
                return Ending(Status.NO_RESPONSE, Exit.NO_RESPONSE, late, self.counts)
            case Transient():
                return Ending(Status.LOST, Exit.TRANSIENT, f"{words}. The same order goes on from here", self.counts)
        code = exit_of(error) if isinstance(error, Failure) else Exit.CONFIG
        return Ending(Status.FAILED, code, words, self.counts)

    # -- a feed's rows --

    def _rows(self, order: Order, feed: Feed, argo: Argo, watch: Watch, ask: Book) -> Ending:
        asked = _date(order.day) or gate.today(feed, datetime.now(UTC))
        day = _judged(order.policy or feed.policy, feed, asked, ask)
        due = absence.due(feed, day or asked)
        until = due if datetime.now(UTC) < due and not order.timed else None
        seq = _again(order, feed, day or asked, ask) if order.rerun else order.seq
        key = f"{feed.name}-pub-{day or asked:%Y%m%d}-{seq}"
        self.feed, self.stage, self.run = feed.name, "pub", key
        self.counts = {"date": (day or asked).isoformat(), "seq": seq}
        known = correlation(feed.name, day, seq) if day else None
        state = ask(lambda connection: request.fetch_state(connection, known)) if known else None
        if state and state.settled:
            return self._already(state)
        if not state or state.status == "new":
            given = {
                "base-date": asked.isoformat(),
                "seq": str(seq),
                **({"policy": order.policy} if order.policy else {}),
            }
            self.run, there = _vacancy(argo, watch, key)
            ending = self._run(argo, watch, f"{feed.name}-pub", given, there=there, wait=order.wait)
            if not order.wait or (ending.code and (ending.status is not Status.UNKNOWN or not known)):
                return ending  # a log that was lost is no matter where the ledger can tell
        elif not order.wait:
            return Ending(Status.ALREADY_ORDERED, 0, counts={**self.counts, "request": state.status})
        try:
            return self._answer(feed, known, watch, ask, until)
        except Late:
            return self._absent(feed, day or asked, ask)

    def _already(self, state: State) -> Ending:
        ending = of_request(state, None)
        assert ending  # noqa: S101 -- it is settled
        status = Status.ALREADY_DONE if ending.code == 0 else ending.status
        return replace(ending, status=status, counts={**self.counts, **ending.counts})

    def _answer(self, feed: Feed, known: UUID | None, watch: Watch, ask: Book, until: datetime | None) -> Ending:
        """Wait until the order's rows are there, or it is known why they will not come. Raises Late."""
        told = ""
        while True:
            state = known and ask(lambda connection: request.fetch_state(connection, known))
            if not state:
                raise Misconfigured(
                    f"{self.run} ended, and the ledger knows no such order: "
                    "does DATABASE_URL name the pods' database, and does their image have this calendar?"
                )
            refusal = gate.refusal(
                ask(lambda connection: control.state(connection, feed.name)), "sub", datetime.now(UTC)
            )
            self.counts["request"] = state.status
            if ending := of_request(state, refusal):
                return replace(ending, counts={**self.counts, **ending.counts})
            if state.status != told:
                told = state.status
                watch.say(f"the request of {self.counts['date']} seq {self.counts['seq']} is {told}")
            if until and datetime.now(UTC) >= until:
                raise Late
            watch.pause()

    def _absent(self, feed: Feed, day: date, ask: Book) -> Ending:
        """The time is over: say what is there in place of the rows, in the sweep's own words."""
        now, due = datetime.now(UTC), absence.due(feed, day)
        known = ask(lambda connection: fetch_facts(connection, feed, {day: absence.began(feed, day)}))
        found = absence.finding(feed, known[day], now)
        words = found.words if found else "other rows of that date are there, those of this order are not"
        late = f"absent, due {due:%H:%M %Z}: " if now >= due else ""
        return Ending(Status.NO_RESPONSE, Exit.NO_RESPONSE, f"{late}{words}. The same order waits on", self.counts)

    # -- any template --

    def _template(self, order: Order, template: str, argo: Argo, watch: Watch) -> Ending:
        given = dict(_pair(each) for each in order.given)
        if order.day:
            given |= {"base-date": f"{_date(order.day)}", "seq": str(order.seq)}
        self.feed, self.stage = (order.name, order.stage) if order.stage else ("", template)
        there = watch.patiently(lambda: argo.running({TEMPLATE: template, **ORDERED}))
        same = [each.name for each in there if given.items() <= each.parameters.items()]
        self.run = same[0] if same else f"{template[:57]}-" + "".join(random.choices(LETTERS, k=5))
        return self._run(argo, watch, template, given, there=bool(same), wait=order.wait)

    def _run(
        self, argo: Argo, watch: Watch, template: str, given: Mapping[str, str], *, there: bool, wait: bool
    ) -> Ending:
        """Start it, or find it again; follow it. Its name was fixed before: a start whose reply was lost is found."""
        watch.say(f"{'found' if there else 'starting'} {self.run} at {argo.server}, namespace {argo.namespace}")
        start = bool if there else (lambda: argo.order(template, self.run, given))
        if not wait:
            watch.patiently(start)
            return Ending(Status.STARTED, 0, counts=self.counts)
        seen, line = follow(argo, self.run, watch, typer.echo, start)
        self.feed = self.feed or seen.feed or ""
        return of_pod(seen, line)


def seconds(text: str) -> float:
    """`90s`, `30m`, `2h`, or a plain number of seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise Misconfigured(f"{text!r} is no time such as 90s, 30m or 2h")
    return float(found[1]) * UNITS[found[2]]


def _judged(policy: Policy, feed: Feed, asked: date, ask: Book) -> date | None:
    """What the pod will order, judged by the very calendar that it will open."""
    if policy is Policy.ANYWAY:
        return asked
    source = settings.calendars(os.environ)
    return gate.judge(ask(lambda connection: calendars.known(connection, feed.calendar, source)), asked, policy)


def _again(order: Order, feed: Feed, day: date, ask: Book) -> int:
    """The next free seq, and a line in the journal."""
    if not order.reason.strip():
        raise Misconfigured("--rerun needs --reason: it is kept in the journal")
    seq: int = ask(lambda connection: request.highest_seq(connection, feed.name, day)) + 1
    detail = {"base_date": day.isoformat(), "seq": seq}
    ask(lambda connection: journal.write(connection, "rerun", feed.name, order.by, order.reason, **detail))
    return seq


def _vacancy(argo: Argo, watch: Watch, key: str) -> tuple[str, bool]:
    """A key's Workflow that runs (True), or the next free name: one that is over had a hold, a holiday or a fault."""
    for number in count(1):
        name = key if number == 1 else f"{key}-{number}"
        seen = watch.patiently(partial(argo.get, name))
        if seen is None or not seen.over:
            return name, seen is not None
    raise AssertionError


def _date(text: str) -> date | None:
    try:
        return read_date(text) if text else None
    except NoSuchDay as error:
        raise Misconfigured(f"--date {error}") from None


def _pair(text: str) -> tuple[str, str]:
    name, between, value = text.partition("=")
    if not (name and between):
        raise Misconfigured(f"--param {text!r} is not NAME=VALUE")
    return name, value


def _aside(words: str) -> None:
    typer.echo(words, err=True)
