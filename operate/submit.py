"""submit: start a feed, one stage of it or any template, and follow it to its end. A request that came before is found.

a feed's rows ─▶ the calendar judges the date ─▶ is there such a request in the ledger?
                                                  ├─ its response is complete ─▶ ALREADY_DONE
                                                  ├─ it was withdrawn ─────────▶ WITHDRAWN
                                                  ├─ it was sent ──────────────▶ wait for its rows
                                                  ├─ kept, the feed is held ───▶ HELD: it is sent when the feed is free
                                                  └─ no ─▶ pub ────────────────▶ wait for its rows
a template    ─▶ a run with these parameters that is not over, or a new one ──▶ its own end

The ledger knows what was requested, and Argo what runs: so the same request again finds its run. A SIGKILL leaves the
run alone; SIGTERM stops it. Called by `feedfall submit`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from uuid import UUID

from catalog import Feed, Policy, find
from catalog.message import correlation
from ledger import acceptance, control, request
from ledger.absence import fetch_facts
from ledger.databases import variable
from ledger.request import RequestState
from operate import order
from operate.argo import MARK, TEMPLATE, Argo
from operate.ending import Ending, how_far, of_error, of_pod, of_request
from operate.follow import Say, Watch, follow, halt
from operate.order import Author, Order
from operate.patient_ledger import PatientLedger
from operate.progress import Progress, Resume
from operate.stopped import Late, Paused, Stopped
from steps.run import calendars, gate, settings
from steps.run.exits import Exit, Failure, Misconfigured
from steps.run.gate import Refusal
from steps.run.status import Status
from steps.watch import absence

#: Of these a run's suffix is made: without vowels, and without what looks alike.
LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True)
class SubmitRequest:
    """What to start. `day` None: the feed's today. `rerun`: with the next free seq, for a `reason`."""

    name: str
    by: str
    stage: str = ""
    day: date | None = None
    seq: int = 1
    rerun: bool = False
    reason: str = ""
    channel: str = "command"
    policy: Policy | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    wait: bool = False
    until_due: bool = True
    """Wait until the feed's due time, where that is still to come; False: as long as the watch says."""
    resume: Resume | None = None
    """Go on from here."""


@dataclass(frozen=True)
class SubmitResult:
    """How it ended, and of which run."""

    ending: Ending
    progress: Progress

    def line(self, seconds: float) -> str:
        """The last line of stdout."""
        return self.ending.result(self.progress.feed or "-", self.progress.stage, self.progress.run, seconds)


def submit(wanted: SubmitRequest, environ: Mapping[str, str], watch: Watch, out: Say) -> SubmitResult:
    """Find the run or start it, and follow it. `out` takes the lines of its log. Failures become its ending."""
    progress = Progress.of(wanted.resume) if wanted.resume else Progress()
    try:
        with Argo(environ) as argo:
            if wanted.resume and wanted.resume.stop:
                _stop(argo, progress, watch)
            ending = Submission(wanted, environ, argo, watch, out, progress).run()
    except (Failure, find.UnknownFeed, Stopped, Late) as error:
        ending = of_error(error, progress)
    except Paused as pause:
        pause.progress = progress
        raise
    return SubmitResult(ending, progress)


def _stop(argo: Argo, progress: Progress, watch: Watch) -> None:
    """A signal, received where somebody waits for a submission: what it follows is stopped. Never a run of another."""
    followed = watch.patiently(lambda: argo.running(MARK)) if progress.followed else []
    own = any(each.name == progress.run for each in followed)
    words = "its `feedfall submit` received a signal"
    raise Stopped(halt(argo, progress.run, watch, words).text if own else "")


@dataclass(frozen=True)
class Target:
    """The rows that a request is for. `id` None: the calendar closes that day, and no request is made."""

    order: Order
    id: UUID | None
    until: datetime | None

    @property
    def feed(self) -> Feed:
        return self.order.feed


class Submission:
    """One request on its way to its end."""

    def __init__(
        self, wanted: SubmitRequest, environ: Mapping[str, str], argo: Argo, watch: Watch, out: Say, progress: Progress
    ) -> None:
        self._wanted, self._environ, self._argo = wanted, environ, argo
        self._watch, self._out, self._progress = watch, out, progress

    def run(self) -> Ending:
        """Raises Failure, UnknownFeed, Stopped, Late."""
        wanted, packages = self._wanted, settings.packages(self._environ)
        feed = find.load(wanted.name, packages) if wanted.stage or wanted.name in find.names(packages) else None
        if feed and wanted.stage in ("", "pub"):
            with PatientLedger(self._environ, self._watch, feed.database) as ledger:
                return self._rows(self._target(feed, ledger), ledger)
        if wanted.rerun:
            raise Misconfigured("--rerun is for a feed's rows: a stage or a script is simply submitted again")
        return self._template(f"{feed.name}-{wanted.stage}" if feed else wanted.name)

    # -- a feed's rows --

    def _target(self, feed: Feed, ledger: PatientLedger) -> Target:
        wanted, now, resume = self._wanted, datetime.now(UTC), self._wanted.resume
        base_date = (resume and resume.base_date) or wanted.day or gate.today(feed, now)
        judged = self._judge(feed, base_date, ledger)
        day = judged or base_date
        due = absence.due(feed, day)
        made = Order(feed, day, resume.seq if resume else wanted.seq, base_date, wanted.policy)
        if wanted.rerun and not resume:
            made = ledger(lambda connection: order.rerun(connection, made, self._author()))
        until = resume.until if resume else due if wanted.until_due and now < due else None
        self._progress.base_date, self._progress.seq, self._progress.until = base_date, made.seq, until
        return Target(
            made,
            id=correlation(feed.name, judged, made.seq) if judged else None,
            until=until,
        )

    def _author(self) -> Author:
        return Author(self._wanted.by, self._wanted.channel, self._wanted.reason)

    def _judge(self, feed: Feed, day: date, ledger: PatientLedger) -> date | None:
        """The date that the pod will request, by the very calendar that it will open; None: none."""
        policy = self._wanted.policy or feed.policy
        if policy is Policy.ANYWAY:
            return day
        source = settings.calendars(self._environ, feed.database)
        calendar = ledger(lambda connection: calendars.read_calendar(connection, feed.calendar, source))
        return gate.judge(calendar, day, policy)

    def _rows(self, target: Target, ledger: PatientLedger) -> Ending:
        progress, wait, made = self._progress, self._wanted.wait, target.order
        progress.feed, progress.stage = target.feed.name, "pub"
        progress.run = progress.run if progress.followed else made.key
        progress.counts = {"date": made.day.isoformat(), "seq": made.seq}
        state = _state(target, ledger)
        if state and state.settled:
            return self._already_done(state)
        if not state or state.status == "new":
            ending = self._order(target, state, ledger)
            lost_log = ending.status is Status.UNKNOWN and target.id is not None
            if not wait or (ending.code and not lost_log):  # where the log is lost, the ledger tells
                return ending
        elif not wait:
            return Ending(Status.ALREADY_ORDERED, 0, counts={**progress.counts, "request": state.status})
        try:
            return self._response(target, ledger)
        except Late:
            return self._absent(target, ledger)

    def _order(self, target: Target, state: RequestState | None, ledger: PatientLedger) -> Ending:
        """Let pub request it. Where the feed is held pub keeps the order, and one that is kept already stays so."""
        refusal = _refusal(target, ledger)
        if refusal and state and state.kept_at:
            return self._kept(refusal, f"the order is kept since {state.kept_at:%Y-%m-%d %H:%M:%S %Z}")
        ending = self._pub(target, ledger)
        if refusal and ending.status is Status.STARTED:
            return self._kept(refusal, f"{self._progress.run} keeps the order")
        return ending

    def _pub(self, target: Target, ledger: PatientLedger) -> Ending:
        """Start pub, or find its run. Who ordered is written down first; a rerun has its own line."""
        made, progress = target.order, self._progress
        get = lambda name: self._watch.patiently(partial(self._argo.get, name))  # noqa: E731 -- a name for one line
        if progress.followed:  # a start finds it by its name
            return self._run(f"{target.feed.name}-pub", made.parameters, there=False)
        progress.run, there = order.vacancy(get, made.key)
        if not (there or self._wanted.rerun):
            written = ledger(lambda connection: order.write(connection, made, self._author()))
            if not written:
                self._watch.say("the journal does not have this order: this role of the database may not write there")
        return self._run(f"{target.feed.name}-pub", made.parameters, there=there)

    def _kept(self, refusal: Refusal, words: str) -> Ending:
        """The feed is held or blocked: nothing is requested now, and nothing is lost."""
        reason = f"{refusal.reason}; {words}, and it is sent then"
        return Ending(refusal.status, Exit.NOT_DONE, reason, self._progress.counts)

    def _already_done(self, state: RequestState) -> Ending:
        ending = of_request(state, None)
        assert ending  # noqa: S101 -- it has its response
        status = Status.ALREADY_DONE if ending.code == 0 else ending.status
        return replace(ending, status=status, counts={**self._progress.counts, **ending.counts})

    def _response(self, target: Target, ledger: PatientLedger) -> Ending:
        """Wait until the rows are there, or until it is known why they will not come. Raises Late."""
        counts, status = self._progress.counts, ""
        while True:
            state = _state(target, ledger)
            if not state:
                where = variable(target.feed.database)
                raise Misconfigured(
                    f"{self._progress.run} ended, and the ledger has no such request: "
                    f"does {where} name the pods' database, and does their image have this calendar?"
                )
            counts["request"] = state.status
            if ending := of_request(state, _refusal(target, ledger)):
                return replace(ending, counts={**counts, **ending.counts})
            if accepted := ledger(partial(acceptance.in_force, feed=target.feed.name, days=[target.order.day])):
                return Ending(Status.ACCEPTED, Exit.OK, accepted[target.order.day].words, counts)
            if (words := how_far(state)) != status:
                status = words
                self._watch.say(f"the request of {counts['date']} seq {counts['seq']} is {status}")
            if target.until and datetime.now(UTC) >= target.until:
                raise Late
            self._watch.pause()

    def _absent(self, target: Target, ledger: PatientLedger) -> Ending:
        """The time is over: say what is there in place of the rows, in the words of the sweep."""
        feed, day, now = target.feed, target.order.day, datetime.now(UTC)
        due = absence.due(feed, day)
        known = ledger(lambda connection: fetch_facts(connection, feed, {day: absence.began(feed, day)}))
        finding = absence.finding(feed, known[day], now)
        words = finding.words if finding else "other rows of that date are there, those of this request are not"
        late = f"absent, due {due:%H:%M %Z}: " if now >= due else ""
        reason = f"{late}{words}. The same command waits on"
        return Ending(Status.NO_RESPONSE, Exit.NO_RESPONSE, reason, self._progress.counts)

    # -- any template --

    def _template(self, template: str) -> Ending:
        wanted, progress = self._wanted, self._progress
        parameters = dict(wanted.parameters)
        if wanted.day:
            parameters |= {"base-date": f"{wanted.day}", "seq": str(wanted.seq)}
        progress.feed, progress.stage = (wanted.name, wanted.stage) if wanted.stage else ("", template)
        there = self._watch.patiently(lambda: self._argo.running({TEMPLATE: template, **MARK}))
        same = [each.name for each in there if parameters.items() <= each.parameters.items()]
        if progress.followed:  # its name is fixed: a start finds it
            return self._run(template, parameters, there=False)
        progress.run = same[0] if same else f"{template[:57]}-" + "".join(random.choices(LETTERS, k=5))
        return self._run(template, parameters, there=bool(same))

    def _run(self, template: str, parameters: Mapping[str, str], *, there: bool) -> Ending:
        """Start it, or find it again; follow it. Its name was fixed before: a start whose reply was lost is found."""
        argo, watch, progress = self._argo, self._watch, self._progress
        watch.say(f"{'found' if there else 'starting'} {progress.run} at {argo.server}, namespace {argo.namespace}")
        start = bool if there else (lambda: argo.start(template, progress.run, parameters))
        if not self._wanted.wait:
            watch.patiently(start)
            return Ending(Status.STARTED, 0, counts=progress.counts)
        progress.followed = True
        seen, line = follow(argo, progress.run, watch, self._out, start)
        progress.followed = False
        progress.feed = progress.feed or seen.feed or ""
        return of_pod(seen, line)


def _refusal(target: Target, ledger: PatientLedger) -> Refusal | None:
    """Why nothing of the feed moves now."""
    known = ledger(lambda connection: control.state(connection, target.feed.name))
    return gate.refusal(known, "sub", datetime.now(UTC))


def _state(target: Target, ledger: PatientLedger) -> RequestState | None:
    """How the request stands; None where there is none."""
    known = target.id
    return ledger(lambda connection: request.fetch_state(connection, known)) if known else None
