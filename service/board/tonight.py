"""What `/` shows of a desk: who is in which band, the counts, the warnings. Values in, values out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from operate.desk.desk import Band, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from operate.desk.desk import DatabaseState, Desk, FeedDay, RunLine

UNWATCHED_AFTER = timedelta(minutes=3)
LATE_AFTER = timedelta(seconds=60)
"""A database whose last answer is so much older than the desk is shown as away."""
GROUPS = ("act", "open", "expected", "arrived", "closed")
"""The counts of the strip. Each day is in one of them."""
URGENCY = (*(State.BLOCKED, State.ABSENT, State.UNKNOWN), *(State.HELD, State.RUNNING, State.WAITING, State.EXPECTED))
FAR = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Choice:
    """What was chosen by the address: a group, some words, one case."""

    show: str = ""
    words: str = ""
    feed: str = ""
    base_date: str = ""


@dataclass(frozen=True)
class Tonight:
    """All that the page needs of the desk."""

    bands: Mapping[Band, Sequence[FeedDay]]
    counts: Mapping[str, int]
    unwatched: Sequence[DatabaseState]
    away: Sequence[DatabaseState]
    chosen: FeedDay | None
    next: FeedDay | None
    """What comes next by itself, for an empty band."""
    next_at: datetime | None


def tonight(desk: Desk, choice: Choice) -> Tonight:
    """The desk in bands, as the choice filters it."""
    named = [each for each in desk.days if choice.words.lower() in each.feed.lower()]
    days = [each for each in named if not choice.show or group(each) == choice.show]
    counts = {name: sum(group(each) == name for each in named) for name in GROUPS}
    chosen = (each for each in desk.days if (each.feed, str(each.base_date)) == (choice.feed, choice.base_date))
    coming = upcoming(desk)
    return Tonight(
        {band: sorted((each for each in days if each.band is band), key=_order(band)) for band in Band},
        counts,
        [each for each in desk.databases if unwatched(each, desk.taken_at)],
        [each for each in desk.databases if away(each, desk.taken_at)],
        next(chosen, None),
        coming,
        soonest(coming) if coming else None,
    )


def group(day: FeedDay) -> str:
    """The count of the strip that a day belongs to."""
    if day.band is Band.ACT:
        return "act"
    if day.state is State.EXPECTED:
        return "expected"
    if day.state in (State.ARRIVED, State.ACCEPTED):
        return "arrived"
    return "closed" if day.state is State.CLOSED else "open"


def unwatched(database: DatabaseState, now: datetime) -> bool:
    """Has no sweep swept it well within three minutes?"""
    return database.sweep_good_at is None or now - database.sweep_good_at > UNWATCHED_AFTER


def away(database: DatabaseState, now: datetime) -> bool:
    """Is what is shown of it old?"""
    return database.failure is not None or database.read_at is None or now - database.read_at > LATE_AFTER


def upcoming(desk: Desk) -> FeedDay | None:
    """The next thing that happens by itself."""
    coming = [each for each in desk.days if soonest(each) > desk.taken_at and each.band is Band.OPEN]
    return min(coming, key=soonest, default=None)


def soonest(day: FeedDay) -> datetime:
    """When something happens of it next: what its next step says, its order, or its due time. FAR: nothing is known."""
    known = day.next_at or (day.order_at if day.state is State.EXPECTED else None) or day.due_at
    return known or FAR


def runs_of(desk: Desk, day: FeedDay) -> list[RunLine]:
    """The runs of a day that the desk knows: those of its base date, and those that load whatever comes."""
    return [each for each in desk.runs if each.feed == day.feed and each.base_date in (None, day.base_date)]


def row_id(day: FeedDay) -> str:
    """The id of its element: letters and digits alone, whatever the feed's name."""
    return "d" + blake2b(f"{day.feed}\0{day.base_date}".encode(), digest_size=6).hexdigest()


def _order(band: Band) -> Callable[[FeedDay], tuple[Any, ...]]:
    if band is Band.OVER:
        return lambda day: (day.feed, day.base_date)
    return lambda day: (_urgency(day), day.due_at or FAR, day.feed, day.base_date)


def _urgency(day: FeedDay) -> int:
    return URGENCY.index(day.state) if day.state in URGENCY else len(URGENCY)
