"""Which base dates stand on the desk: tonight's, and older ones that are not over. Pure.

due within half a day, before or after now ─▶ shown, whatever their state
due within the last week ──────────────────▶ shown while a person or a run must still do something
reported absent, or requested by a person ─▶ likewise, however old
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ledger.desk import Question
from operate.desk.desk import Band, State
from steps.watch.absence import LOOK_BACK, began, due

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date, datetime

    from catalog import Feed
    from operate.desk.desk import FeedDay

#: A feed that comes once a day has one row tonight.
TONIGHT = timedelta(hours=12)
DAY = timedelta(days=1)


def question(feed: Feed, now: datetime, more: Iterable[date] = ()) -> Question:
    """The base dates of a feed that may stand on the desk."""
    return question_of(feed, {*_candidates(feed, now), *more}, now)


def question_of(feed: Feed, days: Iterable[date], now: datetime) -> Question:
    """These base dates. Rows that nobody requested can be in the table early; a partner's are looked up once due."""
    begins = {day: began(feed, day) for day in sorted(days)}
    return Question(feed, begins, frozenset(day for day in begins if feed.partner is None or due(feed, day) <= now))


def _candidates(feed: Feed, now: datetime) -> Iterator[date]:
    day = (now - LOOK_BACK).astimezone(ZoneInfo(feed.zone)).date() - 2 * DAY  # a day may be due after its midnight
    while due(feed, day := day + DAY) <= now + TONIGHT:
        if due(feed, day) > now - LOOK_BACK:
            yield day


def is_shown(each: FeedDay, due_at: datetime, now: datetime, watched: datetime | None, *, is_asked: bool) -> bool:
    """Does a base date stand on the desk? `watched`: since when; `is_asked`: reported absent, or requested."""
    if each.state is State.ABSENT and not is_asked and watched and due_at <= watched and each.seq is None:
        return False  # it was due before anybody watched
    if now - TONIGHT <= due_at:
        return True
    if not (is_asked or watched):
        return False
    return (each.band is Band.ACT and each.state is not State.UNKNOWN) or each.state in (State.WAITING, State.RUNNING)
