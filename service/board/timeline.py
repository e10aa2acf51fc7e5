"""Tonight as one picture: a lane a feed from 18:00 to 09:00, as numbers for an SVG. Values in, values out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from operate.desk.desk import Band, State
from service.board.html import ZONE
from service.board.tonight import FAR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from operate.desk.desk import Desk, FeedDay, RunLine

BEGINS, LASTS = time(18), timedelta(hours=15)
MIDDAY = 12
BANDS = tuple(Band)
LABEL, WIDTH, LANE, TOP = 112, 1232, 16, 18
"""Pixels: the names on the left, the whole, one lane, the hours above."""
MOST = 250
"""Lanes; more of them are counted below."""


@dataclass(frozen=True)
class Bar:
    """From left to right, in pixels."""

    x: float
    width: float
    kind: str


@dataclass(frozen=True)
class Lane:
    """One feed's day: its window from order to due, its runs, what came."""

    day: FeedDay
    y: int
    window: Bar | None
    due: float | None
    arrived: float | None
    runs: Sequence[Bar]


@dataclass(frozen=True)
class Timeline:
    """The whole picture."""

    lanes: Sequence[Lane]
    hours: Sequence[tuple[float, str]]
    now: float | None
    height: int
    left_out: int
    label: int = LABEL
    width: int = WIDTH


def timeline(desk: Desk, now: datetime) -> Timeline:
    """The lanes of what falls into tonight: what needs a person first, then the earliest due."""
    begins = beginning(now)
    inside = [each for each in desk.days if falls_into(each, begins)]
    inside.sort(key=lambda each: (BANDS.index(each.band), each.due_at or FAR, each.feed, each.base_date))
    lanes = [_lane(day, number, desk.runs, begins, now) for number, day in enumerate(inside[:MOST])]
    hours = [(_clamped(begins + timedelta(hours=each), begins), f"{(18 + each) % 24:02d}") for each in range(0, 16, 3)]
    height = TOP + LANE * max(len(lanes), 1) + 2
    return Timeline(lanes, hours, _x(now, begins), height, max(len(inside) - MOST, 0))


def beginning(now: datetime) -> datetime:
    """18:00 of this night: yesterday's until noon."""
    local = now.astimezone(ZONE)
    evening = local.date() - timedelta(days=local.hour < MIDDAY)
    return datetime.combine(evening, BEGINS, ZONE)


def falls_into(day: FeedDay, begins: datetime) -> bool:
    """Does anything of it happen tonight?"""
    times = [each for each in (day.order_at, day.due_at, day.arrived_at) if each]
    return day.state is not State.CLOSED and any(begins <= each <= begins + LASTS for each in times)


def _lane(day: FeedDay, number: int, runs: Sequence[RunLine], begins: datetime, now: datetime) -> Lane:
    window = None
    if day.due_at and day.order_at and day.order_at < day.due_at:
        window = _bar(day.order_at, day.due_at, begins, "window")
    bars = [
        _bar(each.started_at, each.ended_at or now, begins, "failed" if each.exit_code else "run")
        for each in runs
        if each.feed == day.feed and each.base_date in (None, day.base_date)
    ]
    due = _x(day.due_at, begins) if day.due_at else None
    arrived = _x(day.arrived_at, begins) if day.arrived_at else None
    return Lane(day, TOP + LANE * number, window, due, arrived, [each for each in bars if each])


def _bar(start: datetime, end: datetime, begins: datetime, kind: str) -> Bar | None:
    if end < begins or start > begins + LASTS:
        return None
    left, right = (_clamped(each, begins) for each in (start, end))
    return Bar(left, max(right - left, 3.0), kind)


def _x(at: datetime, begins: datetime) -> float | None:
    return _clamped(at, begins) if begins <= at <= begins + LASTS else None


def _clamped(at: datetime, begins: datetime) -> float:
    share = min(max((at - begins) / LASTS, 0.0), 1.0)
    return round(LABEL + share * (WIDTH - LABEL - 8), 1)
