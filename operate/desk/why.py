"""Why is a base date not here, and what happens next? Pure: facts, a feed, its calendar and the time give a `FeedDay`.

    a calendar that cannot tell ─▶ unknown        rows are here ─▶ arrived
    a person's decision ─────────▶ accepted       no business day, nothing requested ─▶ closed
    a fault ─▶ blocked            due, or no rows will come ─▶ absent
    before its due time: held, running, waiting, expected

The sweep reports an absence by the same judgement (`steps.watch.absence`). Words come last: `operate.desk.words`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import business_day
from operate.desk.desk import FeedDay, LockLine, State, Why
from operate.desk.states import held_by
from operate.desk.verbs import VERBS
from steps.watch import absence
from steps.watch.absence import ENDED, Situation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from business_day import Calendar, Closure
    from catalog import Feed
    from ledger.absence import RequestFacts
    from ledger.desk import Lock
    from operate.desk.facts import DayFacts

#: The sweep starts once a minute.
SWEEP = timedelta(minutes=1)
#: No sweep for so long: nobody makes good what was lost.
MISSED = timedelta(minutes=3)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class _Case:
    """One question, and what its answer is made of."""

    facts: DayFacts
    feed: Feed
    now: datetime
    order_at: datetime
    due_at: datetime

    @property
    def requests(self) -> Sequence[RequestFacts]:
        return self.facts.facts.requests

    @property
    def newest(self) -> RequestFacts | None:
        return self.requests[0] if self.requests else None

    @property
    def is_due(self) -> bool:
        return self.due_at <= self.now


def why(facts: DayFacts, feed: Feed, calendar: Calendar | Why, now: datetime) -> FeedDay:
    """The state of one base date. `calendar`: a Why where it cannot be opened."""
    day = facts.base_date
    case = _Case(facts, feed, now, order_at(feed, day), absence.due(feed, day))
    closure = _closure(calendar, day)
    state, reason = _judge(case, closure)
    next_, next_at = _next(case, state, reason)
    late = {"late_minutes": _minutes(now - case.due_at)} if state is State.ABSENT and case.is_due else {}
    return FeedDay(
        feed.name,
        feed.database,
        day,
        state,
        Why(reason.code, {**reason.parameters, **late}),
        case.newest.seq if case.newest else None,
        None if isinstance(closure, business_day.Closure) else case.order_at,
        None if isinstance(closure, business_day.Closure) else case.due_at,
        next_,
        next_at,
        _arrived_at(case) if state is State.ARRIVED else None,
        _loaded(case),
        sum(each.quarantined for each in case.requests) or (facts.facts.quarantined if feed.partner is None else 0),
        VERBS.get(reason.code, ()),
    )


def order_at(feed: Feed, day: date) -> datetime:
    """When pub requests a base date."""
    return datetime.combine(day, feed.order or feed.due, ZoneInfo(feed.zone))


def _closure(calendar: Calendar | Why, day: date) -> Closure | Why | None:
    """Why the calendar closes that day; a Why where it cannot tell; None: it is open."""
    if isinstance(calendar, Why):
        return calendar
    try:
        return calendar.closure(day)
    except business_day.NotCovered as error:
        return Why("uncovered", {"words": str(error)})


def _judge(case: _Case, closure: Closure | Why | None) -> tuple[State, Why]:  # noqa: PLR0911 -- one return a state, in their order
    facts = case.facts
    if accepted := facts.facts.accepted:
        return State.ACCEPTED, Why("accepted", {"by": accepted.who, "at": accepted.at, "reason": accepted.reason})
    found = absence.finding(case.feed, facts.facts, case.now)
    if found is None:
        return State.ARRIVED, _arrived(case)
    if isinstance(closure, Why) and not case.requests:
        return State.UNKNOWN, closure
    if closure is not None and not isinstance(closure, Why) and not case.requests:
        return State.CLOSED, Why("closed", {"closure": str(closure)})
    if not absence.watchable(case.feed, facts.facts):
        return _unwatched(case)
    reason = _reason(case, found.situation)
    if facts.facts.control.blocked_at:
        return State.BLOCKED, reason
    if case.is_due or found.situation in ENDED:
        return State.ABSENT, reason
    return _before_due(case, reason)


def _before_due(case: _Case, reason: Why) -> tuple[State, Why]:
    if case.facts.facts.control.held_at:
        return State.HELD, reason
    if case.requests and case.facts.runs:
        return State.RUNNING, _running(case)
    if not case.requests and case.now < case.order_at:
        return State.EXPECTED, Why("expected", {"at": case.order_at, "due_at": case.due_at})
    if not case.requests and reason.code == "no-request":
        since = _minutes(case.now - case.order_at)
        return State.WAITING, Why("not-ordered", {"at": case.order_at, "since_minutes": since, "due_at": case.due_at})
    return State.WAITING, reason


def _unwatched(case: _Case) -> tuple[State, Why]:
    """The ledger cannot tell to which base date rows belong: when some came last is all that is known."""
    control, last = case.facts.facts.control, case.facts.last_arrival_at
    if control.blocked_at:
        return State.BLOCKED, _blocked(case)
    if control.held_at:
        return State.HELD, _held(case)
    if last and last >= absence.began(case.feed, case.facts.base_date):
        return State.ARRIVED, Why("arrived-undated", {"at": last})
    return State.EXPECTED, Why("not-watched", {"at": last})


def _reason(case: _Case, situation: Situation) -> Why:  # noqa: PLR0911 -- one return a situation
    control, newest = case.facts.facts.control, case.newest
    match situation:
        case Situation.BLOCKED:
            return _blocked(case)
        case Situation.HELD:
            return _held(case)
        case Situation.WAITING:
            return Why("quota", {"until": control.wait_until})
        case Situation.STUCK if stuck := case.facts.facts.stuck:
            return Why("stuck-lease", {"run": stuck.run, "stage": stuck.stage, "at": stuck.expired_at})
        case Situation.QUARANTINED:
            return Why(
                "quarantined", {"rows": case.facts.facts.quarantined or sum(r.quarantined for r in case.requests)}
            )
        case _ if case.facts.locks:
            return locked(case.facts.locks[0])
        case _ if newest is None:
            return Why("no-request", {"at": case.order_at})
    return _requested(newest)


def _requested(newest: RequestFacts) -> Why:  # noqa: PLR0911 -- one return a status
    """How far the newest request has come."""
    match newest.status:
        case "new" if newest.kept_at:
            return Why("kept", {"at": newest.kept_at})
        case "new":
            return Why("unsent", {"at": newest.new_at})
        case "sent" if newest.retry_at:
            words = {"until": newest.retry_at, "words": newest.retry_reason, "tries": newest.tries}
            return Why("deferred", words)
        case "sent":
            return Why("unanswered", {"at": newest.sent_at})
        case "empty" | "complete":
            return Why("empty", {"at": newest.answered_at, "words": newest.reason})
        case "refused":
            return Why("refused", {"at": newest.answered_at, "words": newest.reason})
        case "withdrawn":
            about = {"by": newest.withdrawn_by, "at": newest.withdrawn_at, "reason": newest.withdrawn_reason}
            return Why("withdrawn", about)
    return Why("not-loaded", {"at": newest.answered_at, "rows": newest.settled, "of": newest.count})


def _held(case: _Case) -> Why:
    control = case.facts.facts.control
    return Why("held", {"by": held_by(control), "at": control.held_at, "reason": control.held_reason})


def _blocked(case: _Case) -> Why:
    control = case.facts.facts.control
    return Why(
        "blocked",
        {
            "stage": control.blocked_stage,
            "exit_code": control.blocked_code,
            "at": control.blocked_at,
            "reason": control.blocked_reason,
        },
    )


def _running(case: _Case) -> Why:
    if case.facts.locks:
        return locked(case.facts.locks[0])
    run = case.facts.runs[-1]
    return Why("running", {"run": run.name, "stage": run.stage, "at": run.started_at})


def locked(lock: Lock | LockLine) -> Why:
    """Another session holds a lock that a run waits for. What that session ran is private."""
    return Why(
        "running-blocked",
        {
            "run": lock.run,
            "at": lock.waits_since,
            "pid": lock.pid,
            "application": lock.holder or lock.application,
            "role": lock.role,
        },
    )


def _arrived(case: _Case) -> Why:
    at, waiting = _arrived_at(case), sum(each.quarantined for each in case.requests)
    about = {"at": at, "rows": _loaded(case)}
    if waiting:
        return Why("arrived-quarantined", {**about, "quarantined": waiting})
    if at and at > case.due_at:
        return Why("arrived-late", {**about, "after_minutes": _minutes(at - case.due_at)})
    return Why("arrived", about)


def _arrived_at(case: _Case) -> datetime | None:
    """The first time at which an answer of this base date was whole: a rerun does not make it late."""
    times = [each.complete_at for each in case.requests if each.complete_at and each.settled > each.quarantined]
    return min(times, default=case.facts.came_at)


def _loaded(case: _Case) -> int | None:
    """Rows of the newest answer that gave some."""
    newest = next((each for each in case.requests if each.settled), None)
    return max(newest.settled - newest.quarantined - newest.discarded, 0) if newest else None


def _next(case: _Case, state: State, reason: Why) -> tuple[Why | None, datetime | None]:  # noqa: PLR0911 -- one return an event
    """What happens by itself, and when."""
    control, newest = case.facts.facts.control, case.newest
    if state in (State.ARRIVED, State.ACCEPTED, State.CLOSED, State.UNKNOWN):
        return None, None
    if control.held_at or control.blocked_at:
        return Why("next-person", {}), None
    if reason.code == "not-watched":
        return None, None
    if reason.code == "expected":
        return Why("next-order", {"at": case.order_at}), case.order_at
    if control.wait_until and control.wait_until > case.now:
        return Why("next-retry", {"at": control.wait_until}), control.wait_until
    if reason.code == "deferred" and newest and newest.retry_at:
        at = max(newest.retry_at, case.now)
        return Why("next-retry", {"at": at}), at
    if case.facts.runs and reason.code not in map(str, ENDED):
        run = case.facts.runs[-1]
        return Why("next-run", {"run": run.name, "stage": run.stage, "at": run.started_at}), None
    if reason.code in ("unanswered", "not-loaded", "stuck-lease"):
        return _next_sweep(case)
    if not case.is_due and reason.code not in map(str, ENDED):
        return Why("next-due", {"at": case.due_at}), case.due_at
    return Why("next-nothing", {}), None


def _next_sweep(case: _Case) -> tuple[Why, datetime | None]:
    """The sweep starts what waits within a minute, where one sweeps."""
    last = case.facts.swept_at
    if last is None or case.now - last > MISSED:
        return Why("next-no-sweep", {}), None
    at = max(last + SWEEP, case.now)
    return Why("next-sweep", {"at": at}), at


def _minutes(length: timedelta) -> int:
    return max(length // MINUTE, 0)
