"""Is this an answer, or is the request deferred, until when and why? Pure: values in, a value out.

what came back of a request ─┬─ an answer          written to the response topic
                             └─ none for now       Deferral: sent again when its time has come
    not published before `due`, a quota, a partner in trouble; after `GIVE_UP` of them the answer is a refusal

Pauses grow, and times are on a grid: requests that wait for the same partner are due together, and one run sends all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from catalog.partner import Empty, Quota, Refused

if TYPE_CHECKING:
    from catalog import Feed
    from catalog.partner import Answer, Request

#: After the first try, the second, …; the last one stays.
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 30))
#: A partner's Retry-After is believed for a day.
LONGEST_WAIT = timedelta(days=1)
#: So long a request is sent again, after its due time or its first deferral. Then it is refused, and a person sees it.
GIVE_UP = timedelta(days=3)
#: A quota comes back: a backfill may need many days of it.
GIVE_UP_QUOTA = timedelta(days=30)


@dataclass(frozen=True)
class Unanswered:
    """No answer now: the partner is out of reach, late, or in trouble of its own; or it was not even asked."""

    reason: str
    sent: bool = True


@dataclass(frozen=True)
class Deferral:
    """Not before `until`. `for_all`: no request of the feed is sent before (a quota)."""

    until: datetime
    reason: str
    for_all: bool = False


@dataclass(frozen=True)
class Withdrawn:
    """A person took the request back before it was sent."""


@dataclass(frozen=True)
class Attempt:
    """What came before this one: how often the request was deferred, and since when."""

    tries: int = 0
    since: datetime | None = None


def judge(
    feed: Feed, request: Request, attempt: Attempt, answer: Answer | Unanswered, now: datetime
) -> Answer | Deferral:
    """The answer, or until when the request is deferred."""
    due = datetime.combine(request.base_date, feed.due, ZoneInfo(feed.zone))
    match answer:
        case Empty() if not answer.expected and now < due:  # before that time a partner that has nothing is only late
            said = f"{answer.reason}; due by {feed.due:%H:%M} {feed.zone}"
            return Deferral(min(next_try(attempt.tries, now), due.astimezone(UTC)), said)
        case Quota():
            found, patience = _after_quota(answer, attempt, now), GIVE_UP_QUOTA
        case Unanswered():
            found, patience = Deferral(next_try(attempt.tries, now), answer.reason), GIVE_UP
        case _:
            return answer
    unsent = isinstance(answer, Unanswered) and not answer.sent
    if now < max(attempt.since or now, due) + patience or unsent:
        return found
    return Refused(f"given up after {attempt.tries + 1} tries in {patience.days} days or more: {found.reason}")


def next_try(tries: int, now: datetime) -> datetime:
    """A pause later, moved to a multiple of the pause: from half of it to one and a half."""
    pause = PAUSES[min(tries, len(PAUSES) - 1)].total_seconds()
    return datetime.fromtimestamp(ceil(now.timestamp() / pause + 0.5) * pause, UTC)


def _after_quota(quota: Quota, attempt: Attempt, now: datetime) -> Deferral:
    """When the partner says so, but not at once again and again, and within a day."""
    soonest = next_try(attempt.tries, now)
    until = min(max(quota.retry_at or soonest, soonest), now + LONGEST_WAIT)
    return Deferral(until, f"the partner's quota is used up: {quota.reason}", for_all=True)
