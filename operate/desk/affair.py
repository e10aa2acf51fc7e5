"""why: one base date of a feed from its order to its rows, and what happened around it. Called by `feedfall why`.

facts ──▶ FeedDay: the sentence, what comes next, the verbs
request, runs, journal ──▶ events in their order; runs that ended alike are one event, with how often
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from ledger import desk
from ledger.audit import Filter
from operate.desk import audit
from operate.desk.days import question_of
from operate.desk.desk import Why
from operate.desk.facts import facts_of
from operate.desk.why import locked, why
from steps.run.status import Status
from steps.watch.absence import ARRIVALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime

    from business_day import Calendar
    from catalog import Feed
    from ledger.absence import RequestFacts
    from ledger.database import Connection
    from ledger.desk import DeskRun
    from operate.desk.audit import JournalLine
    from operate.desk.desk import FeedDay

#: Events of the last day, and no more runs than fit: what is older tells nothing about tonight.
SHOWN = timedelta(days=1)
LINES = 200
#: A run that found nothing to do is no event.
QUIET = frozenset(status for status in Status if status.idle)


@dataclass(frozen=True)
class Event:
    """What happened, and when. `last_at`: of the last of several that were alike."""

    at: datetime
    what: Why
    last_at: datetime | None = None


@dataclass(frozen=True)
class Affair:
    """One base date, whole."""

    day: FeedDay
    events: Sequence[Event]
    locks: Sequence[Why] = ()
    """Runs of the feed that wait for another session's lock, whatever their base date."""


def fetch(connection: Connection, feed: Feed, day: date, calendar: Calendar | Why, now: datetime) -> Affair:
    """All that is known of one base date, read at one moment (`desk.looking`)."""
    ledger = desk.fetch(connection, [question_of(feed, [day], now)], now, (now - ARRIVALS).date())
    facts = facts_of(ledger, feed, day)
    found = why(facts, feed, calendar, now)
    requests = ledger.requests.get((feed.name, day), ())
    since = _since(found, requests, now)
    runs = desk.fetch_runs(connection, feed.name, since, now + SHOWN)
    lines = audit.fetch_lines(connection, feed.database, Filter(feed.name, since, limit=LINES))
    return Affair(found, events(found, requests, runs, lines), [locked(each) for each in facts.locks])


def _since(day: FeedDay, requests: Sequence[RequestFacts], now: datetime) -> datetime:
    """From the newest request on; where there is none, from its order time; at most a day."""
    times = [each.new_at for each in requests if each.new_at]
    start = max(times) if times else (day.order_at or now)
    return max(min(start, now), now - SHOWN) - timedelta(minutes=1)


def events(
    day: FeedDay, requests: Sequence[RequestFacts], runs: Sequence[DeskRun], lines: Sequence[JournalLine]
) -> list[Event]:
    """All events in their order."""
    planned = [Event(day.due_at, Why("event-due"))] if day.due_at else []
    of_requests = [event for each in requests for event in _of_request(each)]
    of_lines = [
        Event(
            each.at,
            Why("event-act", {"who": each.who, "verb": each.verb, "reason": each.reason, "outcome": each.outcome}),
        )
        for each in lines
    ]
    return sorted([*planned, *of_requests, *_of_runs(runs), *of_lines], key=lambda each: each.at)


def _of_request(each: RequestFacts) -> Iterator[Event]:
    steps = (
        (each.new_at, Why("event-recorded", {"seq": each.seq})),
        (each.sent_at, Why("event-sent", {"seq": each.seq})),
        (each.answered_at, Why("event-answered", {"seq": each.seq, "words": each.reason or ""})),
        (each.complete_at, Why("event-complete", {"seq": each.seq, "rows": each.settled})),
    )
    yield from (Event(at, what) for at, what in steps if at)


def _of_runs(runs: Sequence[DeskRun]) -> Iterator[Event]:
    """The newest first in, the oldest first out; alike ones that followed one another are one."""
    told = [each for each in reversed(runs) if each.status not in QUIET]
    for _, alike in groupby(told, key=lambda run: (run.stage, run.status, run.exit_code, run.reason)):
        first, *rest = alike
        last = rest[-1] if rest else first
        yield Event(first.started_at, _run(last, 1 + len(rest)), last.ended_at or last.started_at)


def _run(run: DeskRun, times: int) -> Why:
    about: dict[str, str | int | None] = {"run": run.name, "stage": run.stage, "status": run.status}
    about |= {"exit_code": run.exit_code, "reason": run.reason or ""}
    return Why("event-runs", {**about, "times": times}) if times > 1 else Why("event-run", about)
