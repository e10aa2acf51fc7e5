"""Should a feed's rows be here by now, and if they are not, what is there instead? Pure: values in, a finding out.

a feed, its calendar, the time ──expected──▶ base dates that are due
what the ledger says of one    ──finding───▶ None: its rows are here, or

empty  refused  quarantined            an answer came, and gave no row
held   blocked  waiting  stuck-lease   something is in the way of an answer
not-loaded  unanswered  unsent  no-request   how far it has come
uncovered                              nobody knows: the calendar ends before that day
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

#: How far back a sweep looks for what was due: a longer outage of all sweeps is not made up for.
LOOK_BACK = timedelta(days=7)
#: For so long rows that were reported absent are waited for.
ARRIVALS = timedelta(days=30)
#: What pub asks for at the due time itself cannot be there at the due time.
ASKED = timedelta(minutes=10)


class Found(StrEnum):
    """What was found in place of rows."""

    NO_REQUEST = "no-request"
    UNSENT = "unsent"
    UNANSWERED = "unanswered"
    NOT_LOADED = "not-loaded"
    EMPTY = "empty"
    REFUSED = "refused"
    QUARANTINED = "quarantined"
    HELD = "held"
    BLOCKED = "blocked"
    WAITING = "waiting"
    STUCK = "stuck-lease"
    UNCOVERED = "uncovered"


HINDERED = {Status.HELD: Found.HELD, Status.WAITING: Found.WAITING}
"""The gate's word for it → ours; whatever else shuts a feed blocks it."""
#: An answer that came and gave no row: whatever is in the way now did not cause it.
ENDED = (Found.EMPTY, Found.REFUSED, Found.QUARANTINED)


@dataclass(frozen=True)
class Finding:
    """A word for programs and a sentence for people."""

    found: Found
    words: str


@dataclass(frozen=True)
class Expected:
    """A base date whose rows should be here since `due`. `uncovered`: nobody knows, and why."""

    day: date
    due: datetime
    uncovered: str | None = None


def due(feed: Feed, day: date) -> datetime:
    """When an open day's rows are to be here: the feed's due time, but never sooner than pub's asking allows."""
    zone = ZoneInfo(feed.zone)
    asked = datetime.combine(day, feed.order or feed.due, zone) + ASKED
    return max(datetime.combine(day, feed.due, zone), asked)


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
    if reached.found in ENDED:
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
    """How far it has come. What an outside publisher sent and nobody could read may be the answer."""
    nobody = Finding(Found.NO_REQUEST, "nobody asked for it, and nothing came")
    reached = _asked(feed, facts.requests[0]) if facts.requests else nobody
    unread = facts.quarantined if feed.partner is None else 0
    return _put_aside(unread) if unread and reached.found in (Found.NO_REQUEST, Found.UNANSWERED) else reached


def _asked(feed: Feed, newest: RequestFacts) -> Finding:
    match newest.status:
        case "new":
            return Finding(Found.UNSENT, f"its request was booked at {_at(feed, newest.new_at)} and never sent")
        case "sent":
            sent = f"its request was sent at {_at(feed, newest.sent_at)} and is not answered"
            return Finding(Found.UNANSWERED, sent)
        case "empty":
            return Finding(Found.EMPTY, newest.reason or "the partner has nothing for this date")
        case "refused":
            return Finding(Found.REFUSED, newest.reason or "the partner said no")
    return _answered(feed, newest)


def _answered(feed: Feed, newest: RequestFacts) -> Finding:
    if newest.settled and newest.settled == newest.quarantined:
        return _put_aside(newest.quarantined)
    if newest.status == "complete":
        return Finding(Found.EMPTY, "its answer says that it has no rows")
    of = f"{newest.settled:,} of {newest.count:,} rows are" if newest.count else "no row is"
    return Finding(Found.NOT_LOADED, f"it was answered at {_at(feed, newest.answered_at)}, and {of} loaded")


def _put_aside(rows: int) -> Finding:
    return Finding(Found.QUARANTINED, f"{rows:,} rows are in quarantine, and none is loaded")


def _hindrance(feed: Feed, facts: Facts, now: datetime) -> Finding | None:
    """What stands in the way: a person, a fault, a partner's quota, or a dead run whose lease nobody has taken."""
    refusal = gate.refusal(facts.control, "relay", now)
    if refusal:
        return Finding(HINDERED.get(refusal.status, Found.BLOCKED), refusal.reason)
    stuck = facts.stuck
    if stuck and (facts.requests or feed.partner is None):
        run = f"{stuck.run or 'a run'} holds the lease of {stuck.stage}"
        return Finding(Found.STUCK, f"{run} beyond its end at {_at(feed, stuck.expired_at)}")
    return None


def _at(feed: Feed, moment: datetime | None) -> str:
    return f"{moment.astimezone(ZoneInfo(feed.zone)):%Y-%m-%d %H:%M %Z}" if moment else "an unknown time"
