"""What a row's base date means: values in, a ruling out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

import business_day
from catalog import find
from steps.load.dates import LOAD, Dates, rule

FX = find.load("fx")
FRIDAY, SATURDAY, SUNDAY, MONDAY = (date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2))
TARGET = business_day.calendar("TARGET")


@pytest.mark.parametrize(
    ("closed", "day", "today", "fate", "until"),
    [
        ("defer", FRIDAY, FRIDAY, "loaded", None),
        ("defer", SATURDAY, SATURDAY, "deferred", MONDAY),
        ("defer", SATURDAY, SUNDAY, "deferred", MONDAY),
        ("defer", SATURDAY, MONDAY, "loaded", None),  # its next open day has come
        ("defer", SATURDAY, FRIDAY, "deferred", SATURDAY),  # to come: judged again on that day
        ("quarantine", SATURDAY, MONDAY, "quarantined", None),
        ("quarantine", SATURDAY, FRIDAY, "deferred", SATURDAY),
        ("defer", date(1998, 12, 31), FRIDAY, "quarantined", None),
        ("defer", date(2028, 12, 31), date(2029, 1, 1), "quarantined", None),  # closed, and it is not known until when
        ("defer", date(2050, 1, 3), FRIDAY, "deferred", date(2050, 1, 3)),  # no calendar is needed for that
    ],
)
def test_rule__by_policy_and_day(closed: Any, day: date, today: date, fate: str, until: date | None) -> None:  # noqa: ANN401 -- a literal
    ruling = rule(replace(FX, closed=closed), TARGET, day, today)
    assert (ruling.fate, ruling.until) == (fate, until)
    assert bool(ruling.reason) is (fate != "loaded")


@pytest.mark.parametrize("day", [FRIDAY, SATURDAY, date(1900, 1, 1)])
def test_rule__without_a_calendar_only_the_future_waits(day: date) -> None:
    assert rule(FX, None, day, SATURDAY) is LOAD
    assert rule(FX, None, MONDAY, SATURDAY).until == MONDAY


def test_rule__what_was_decided_since_counts() -> None:
    """Monday was closed after the row was deferred to it: it waits until Tuesday."""
    decided = business_day.calendar("TARGET", [business_day.Override("TARGET", MONDAY, is_open=False, reason="moved")])
    assert rule(replace(FX, closed="defer"), decided, SATURDAY, MONDAY).until == date(2026, 11, 3)


@pytest.mark.parametrize(
    ("zone", "day", "due"),
    [
        ("Europe/Brussels", "2026-10-30", datetime(2026, 10, 30, 16, tzinfo=UTC)),  # winter
        ("Europe/Brussels", "2026-07-30", datetime(2026, 7, 30, 15, tzinfo=UTC)),  # summer
        ("Asia/Seoul", "2026-10-30", datetime(2026, 10, 30, 8, tzinfo=UTC)),
        ("Asia/Seoul", "0001-01-01", datetime(1, 1, 1, 8, 32, 8, tzinfo=UTC)),  # by the sun, before there were zones
    ],
)
def test_due__is_where_the_feed_lives(zone: str, day: str, due: datetime) -> None:
    judge = Dates(replace(FX, zone=zone), None, datetime.now(UTC))
    assert judge.due(day) == (due - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000


def test_dates__are_plain_only_when_all_are() -> None:
    judge = Dates(FX, None, datetime(2026, 10, 31, tzinfo=UTC))
    assert judge.are_plain({"2026-10-30", "2026-10-29"})
    assert not judge.are_plain({"2026-10-30", "2026-11-02"})
    assert judge.are_plain({"0000-01-01"})  # the database has the words for it


DUE = int(datetime(2026, 10, 30, 16, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("times", "days", "late"),
    [
        ([DUE, DUE - 1], {"2026-10-30"}, False),  # at the due time is in time
        ([DUE + 1, DUE + 2], {"2026-10-30"}, True),
        ([DUE, DUE + 1], {"2026-10-30"}, None),
        ([DUE + 1], {"2026-10-29", "2026-10-30"}, True),
        ([DUE], {"2026-10-29", "2026-10-30"}, None),  # one of the two days was due before
        ([2**53], {"0000-01-01"}, True),  # a day on no calendar is due at the end of all
    ],
)
def test_are_late__answers_for_a_group_where_it_can(times: list[int], days: set[str], late: bool | None) -> None:  # noqa: FBT001 -- a table
    assert Dates(FX, None, datetime.now(UTC)).are_late(days, times) is late
