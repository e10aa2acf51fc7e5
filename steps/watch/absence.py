"""Should a feed's rows be here by now, and if not, what is there instead? Pure: values in, a finding out.

a feed, its calendar, the time ──expected──▶ base dates that are due
what the ledger says of one    ──finding───▶ None: its rows are here, or

empty  refused  quarantined            an answer came, and gave no row
withdrawn                              a person took the request back
held   blocked  waiting  stuck-lease   something prevents an answer
not-loaded  unanswered  unsent  no-request   how far it has come
uncovered                              not known: the calendar ends before that day
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from business_day import NotCovered
from steps.run import gate
from steps.run.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from business_day import Calendar
    from catalog import Feed
    from ledger.absence import Facts, RequestFacts

#: How far back a sweep looks for what was due: a longer outage of all sweeps leaves days unreported.
LOOK_BACK = timedelta(days=7)
#: Rows that were reported absent may still arrive for this long, and are reported as arrived.
ARRIVALS = timedelta(days=30)
#: What pub requests at the due time itself cannot be there at the due time.
REQUEST_TIME = timedelta(minutes=10)


class Situation(StrEnum):
    """What there is in place of rows."""

    NO_REQUEST = "no-request"
    UNSENT = "unsent"
    UNANSWERED = "unanswered"
    NOT_LOADED = "not-loaded"
    EMPTY = "empty"
    REFUSED = "refused"
    QUARANTINED = "quarantined"
    WITHDRAWN = "withdrawn"
    HELD = "held"
    BLOCKED = "blocked"
    WAITING = "waiting"
    STUCK = "stuck-lease"
    UNCOVERED = "uncovered"


HINDERED = {Status.HELD: Situation.HELD, Status.WAITING: Situation.WAITING}
"""The gate's status → ours; any other status that stops a feed is BLOCKED."""
#: An answer that came and gave no row, or none is wanted: what prevents answers now did not cause it.
ENDED = (Situation.EMPTY, Situation.REFUSED, Situation.QUARANTINED, Situation.WITHDRAWN)


@dataclass(frozen=True)
class Finding:
    """A word for programs and a sentence for people."""

    situation: Situation
    words: str


@dataclass(frozen=True)
class Expected:
    """A base date whose rows should be here since `due`. `uncovered`: why it is not known."""

    day: date
    due: datetime
    uncovered: str | None = None


def due(feed: Feed, day: date) -> datetime:
    """When an open day's rows are to be here: the feed's due time, but never sooner than pub's request allows."""
    zone = ZoneInfo(feed.zone)
    requested = datetime.combine(day, feed.order or feed.due, zone) + REQUEST_TIME
    return max(datetime.combine(day, feed.due, zone), requested)


def began(feed: Feed, day: date) -> datetime:
    """When a base date began, where the feed lives."""
    return datetime.combine(day, time(), ZoneInfo(feed.zone))


def expected(feed: Feed, calendar: Calendar, since: datetime, now: datetime) -> Iterator[Expected]:
    """Base dates that became due since `since`, a week back at most: the open days, and those the table lacks."""
    since = max(since, now - LOOK_BACK)
    day = since.astimezone(ZoneInfo(feed.zone)).date() - timedelta(days=2)  # a day may be due after its midnight
    while due(feed, day := day + timedelta(days=1)) <= now:
        if due(feed, day) <= since:
            continue
        try:
            if calendar.is_business_day(day):
                yield Expected(day, due(feed, day))
        except NotCovered as error:
            yield Expected(day, due(feed, day), str(error))


def watchable(feed: Feed, facts: Facts) -> bool:
    """Can the ledger, or the feed's table, tell what belongs to a base date?"""
    return feed.partner is not None or facts.dated or facts.in_table is not None


def finding(feed: Feed, facts: Facts, now: datetime) -> Finding | None:
    """What is there in place of a base date's rows; None: they are there."""
    if _loaded(facts):
        return None
    reached = _reached(feed, facts)
    if reached.situation in ENDED:
        return reached
    hindrance = _hindrance(feed, facts, now)
    return replace(hindrance, words=f"{hindrance.words}; {reached.words}") if hindrance else reached


def _loaded(facts: Facts) -> bool:
    """An answer is whole, or its publisher does not say how many rows it has; or the table has rows, of no half one."""
    whole = any(
        each.settled > each.quarantined
        and (each.status == "complete" or (each.status == "answered" and each.count is None))
        for each in facts.requests
    )
    half = any(each.status == "answered" and each.count and 0 < each.settled < each.count for each in facts.requests)
    return whole or bool(facts.in_table and not half)


def _reached(feed: Feed, facts: Facts) -> Finding:
    """How far it has come. An outside publisher's message that could not be read may be the answer."""
    nothing = Finding(Situation.NO_REQUEST, "no request sent, no response received")
    reached = _requested(feed, facts.requests[0]) if facts.requests else nothing
    unread = facts.quarantined if feed.partner is None else 0
    no_answer = reached.situation in (Situation.NO_REQUEST, Situation.UNANSWERED)
    return _quarantined(unread) if unread and no_answer else reached


def _requested(feed: Feed, newest: RequestFacts) -> Finding:
    if newest.status in ("new", "sent"):
        return _waiting(feed, newest)
    match newest.status:
        case "withdrawn":
            by = f"{newest.withdrawn_by}: {newest.withdrawn_reason}"
            words = f"its request was withdrawn at {_at(feed, newest.withdrawn_at)} by {by}"
            return Finding(Situation.WITHDRAWN, words)
        case "empty":
            return Finding(Situation.EMPTY, newest.reason or "the partner has nothing for this date")
        case "refused":
            return Finding(Situation.REFUSED, newest.reason or "the partner refused it")
    return _answered(feed, newest)


def _waiting(feed: Feed, newest: RequestFacts) -> Finding:
    """It has no end yet: kept until the feed is free, never sent, or not answered."""
    if newest.status == "sent":
        sent = f"its request was sent at {_at(feed, newest.sent_at)} and is not answered"
        return Finding(Situation.UNANSWERED, sent + _deferral(feed, newest))
    if newest.kept_at:
        kept = f"its order is kept since {_at(feed, newest.kept_at)}, and is sent when the feed is free"
        return Finding(Situation.UNSENT, kept)
    return Finding(Situation.UNSENT, f"its request was recorded at {_at(feed, newest.new_at)} and never sent")


def _deferral(feed: Feed, newest: RequestFacts) -> str:
    """Until when relay has deferred it, and why."""
    return f"; deferred until {_at(feed, newest.retry_at)}: {newest.retry_reason}" if newest.retry_at else ""


def _answered(feed: Feed, newest: RequestFacts) -> Finding:
    if newest.settled and newest.settled == newest.quarantined:
        return _quarantined(newest.quarantined)
    if newest.status == "complete":
        return Finding(Situation.EMPTY, "its answer says that it has no rows")
    of = f"{newest.settled:,} of {newest.count:,} rows are" if newest.count else "no row is"
    return Finding(Situation.NOT_LOADED, f"it was answered at {_at(feed, newest.answered_at)}, and {of} loaded")


def _quarantined(rows: int) -> Finding:
    return Finding(Situation.QUARANTINED, f"{rows:,} rows are in quarantine, and none is loaded")


def _hindrance(feed: Feed, facts: Facts, now: datetime) -> Finding | None:
    """What prevents an answer: a hold, a block, a partner's quota, or a dead run whose lease no other has taken."""
    refusal = gate.refusal(facts.control, "relay", now)
    if refusal:
        return Finding(HINDERED.get(refusal.status, Situation.BLOCKED), refusal.reason)
    stuck = facts.stuck
    if stuck and (facts.requests or feed.partner is None):
        run = f"{stuck.run or 'a run'} holds the lease of {stuck.stage}"
        return Finding(Situation.STUCK, f"{run} beyond its end at {_at(feed, stuck.expired_at)}")
    return None


def _at(feed: Feed, moment: datetime | None) -> str:
    return f"{moment.astimezone(ZoneInfo(feed.zone)):%Y-%m-%d %H:%M %Z}" if moment else "an unknown time"
