"""/metrics of a Desk: what is exposed of each feed and database, after an outage and before a start."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import pytest

from desk_numbers import HOUR, NOW, UP, day, desk, line, of, one, read, state
from ledger.totals import BOUNDS, Totals
from operate.desk.desk import DatabaseState, FeedState, State
from service.desk_metrics import DeskMetrics

# -- nothing was read --


def test_start__before_a_read_nothing_looks_healthy() -> None:
    assert read(None) == [("feedfall_snapshot_age_seconds", {"database": ""}, math.inf)]


def test_start__a_database_that_was_never_read_is_down_and_infinitely_old() -> None:
    found = read(desk(databases=[DatabaseState("stk", None, "no answer")]))
    stk = {"database": "DATABASE_URL_STK"}
    assert sorted(found, key=str) == [
        ("feedfall_database_up", stk, 0),
        ("feedfall_snapshot_age_seconds", stk, math.inf),
    ]


# -- a database is away --


def test_outage__the_series_stay_and_the_age_grows() -> None:
    absent = day(State.ABSENT, due_at=NOW - HOUR)
    away = replace(UP, failure="connection refused", sweep_ended_at=NOW)
    late = read(desk(absent, databases=[away]), now=NOW + HOUR)
    assert (state(late), one("feedfall_database_up", late)) == (["absent"], 0)
    assert one("feedfall_snapshot_age_seconds", late) == 3600
    assert one("feedfall_snapshot_timestamp_seconds", late) == NOW.timestamp()
    assert one("feedfall_sweep_last_end_timestamp_seconds", late) == NOW.timestamp()


def test_outage__a_clock_that_went_back_makes_no_negative_age() -> None:
    assert one("feedfall_snapshot_age_seconds", read(desk(), now=NOW - HOUR)) == 0


# -- the state of a feed --


@pytest.mark.parametrize("only", list(State))
def test_state__is_one_of_all(only: State) -> None:
    found = read(desk(day(only)))
    assert (state(found), len(of("feedfall_feed_state", found))) == ([only], len(State))


def test_state__is_the_worst_of_the_base_dates() -> None:
    days = [day(State.ARRIVED), day(State.ABSENT, base_date=date(2026, 11, 23)), day(State.EXPECTED)]
    assert state(read(desk(*days))) == ["absent"]


@pytest.mark.parametrize(
    ("feed", "expected"),
    [
        (FeedState("fx", "", held_at=NOW), ["held"]),  # with an arrived day: a hold is worse
        (FeedState("fx", "", held_at=NOW, blocked_at=NOW, blocked_code=78), ["blocked"]),
        (FeedState("fx", ""), ["arrived"]),
    ],
)
def test_state__knows_a_hold_and_a_block_without_a_day_that_says_so(feed: FeedState, expected: list[str]) -> None:
    assert state(read(desk(day(State.ARRIVED), feeds=[feed]))) == expected


def test_state__a_feed_that_expects_nothing_has_none() -> None:
    assert state(read(desk(feeds=[FeedState("tick", "")]))) == []


# -- moments --


def test_due__is_that_of_the_earliest_date_that_is_not_over() -> None:
    days = [
        day(State.ARRIVED, due_at=NOW - 3 * HOUR, base_date=date(2026, 11, 22)),
        day(State.ACCEPTED, due_at=NOW - 2 * HOUR, base_date=date(2026, 11, 23)),
        day(State.ABSENT, due_at=NOW - HOUR),
        day(State.EXPECTED, due_at=NOW + 23 * HOUR, base_date=date(2026, 11, 25)),
    ]
    assert one("feedfall_feed_due_timestamp_seconds", read(desk(*days))) == (NOW - HOUR).timestamp()
    assert of("feedfall_feed_due_timestamp_seconds", read(desk(*days[:2]))) == []


def test_order__is_that_of_a_date_without_a_request() -> None:
    asked, waits = day(State.WAITING, order_at=NOW - HOUR, seq=1), day(State.EXPECTED, order_at=NOW + HOUR)
    name = "feedfall_feed_order_timestamp_seconds"
    assert one(name, read(desk(asked, waits))) == (NOW + HOUR).timestamp()
    assert of(name, read(desk(asked, replace(waits, state=State.ACCEPTED)))) == []
    assert of(name, read(desk(replace(waits, state=State.UNKNOWN)))) == []


def test_lateness__is_of_the_newest_date_that_came() -> None:
    days = [
        day(State.ARRIVED, due_at=NOW, arrived_at=NOW + HOUR, base_date=date(2026, 11, 22)),
        day(State.ARRIVED, due_at=NOW, arrived_at=NOW - HOUR, base_date=date(2026, 11, 23)),
    ]
    assert one("feedfall_arrival_lateness_seconds", read(desk(*days))) == -3600


def test_feed__what_is_not_known_has_no_series() -> None:
    names = {name for name, _, _ in read(desk(feeds=[FeedState("fx", "")]))}
    assert {each for each in names if "lag" in each or "timestamp" in each} == {"feedfall_snapshot_timestamp_seconds"}


def test_feed__its_numbers() -> None:
    feed = FeedState(
        "fx", "", blocked_code=65, blocked_at=NOW, unanswered=3, quarantined=2, deferred_rows=5, lag=0,
        oldest_unanswered_at=NOW - HOUR, oldest_quarantined_at=NOW - 2 * HOUR, last_arrival_at=NOW - 3 * HOUR,
    )  # fmt: skip
    found = read(desk(feeds=[feed]))
    assert of("feedfall_feed_blocked_timestamp_seconds", found) == [
        ({"database": "DATABASE_URL", "feed": "fx", "code": "65"}, NOW.timestamp())
    ]
    fates = {labels["fate"]: number for labels, number in of("feedfall_quarantine_entries", found)}
    assert fates == {"quarantined": 2, "deferred": 5}
    assert [one(f"feedfall_{name}", found) for name in ("requests_unanswered", "lag_offsets")] == [3, 0]
    hours = ("oldest_unanswered", "quarantine_oldest", "last_arrival")
    assert [(NOW.timestamp() - one(f"feedfall_{name}_timestamp_seconds", found)) / 3600 for name in hours] == [1, 2, 3]


def test_lease__is_the_earliest_of_the_runs_at_work() -> None:
    runs = [
        line(lease_expires_at=NOW + HOUR),
        line(lease_expires_at=NOW - HOUR),
        line(lease_expires_at=NOW - 2 * HOUR, ended_at=NOW),  # over: its lease is nobody's
        line(stage="relay"),  # holds none
    ]
    [(labels, number)] = of("feedfall_lease_expires_timestamp_seconds", read(desk(runs=runs)))
    assert (labels["stage"], number) == ("sub", (NOW - HOUR).timestamp())


def test_calendar__how_far_it_reaches() -> None:
    metrics = DeskMetrics(desk, lambda: NOW, covered=lambda: {"TARGET": NOW})
    lines = [line for line in metrics.text().decode().splitlines() if "covered" in line and not line.startswith("#")]
    [(labels, number)] = [(line.rsplit(" ", 1)) for line in lines]
    assert (labels.partition("{")[2], float(number)) == ('calendar="TARGET"}', NOW.timestamp())


# -- counters --


def test_totals__runs_rows_acts_and_how_long_runs_took() -> None:
    counted = Totals(
        "", {("fx", "FAILED"): 277}, {("fx", "loaded"): 31}, {("hold", "done"): 1},
        {"sub": ([2, 0, 1, *[0] * (len(BOUNDS) - 2)], 4.5)}, notices_pending=1, approvals_pending=2, break_glass_at=NOW,
    )  # fmt: skip
    found = read(desk(), counted)
    assert [one(f"feedfall_{name}_total", found) for name in ("runs", "rows", "acts")] == [277, 31, 1]
    assert [one(f"feedfall_{name}_pending", found) for name in ("notices", "approvals")] == [1, 2]
    buckets = {each["le"]: number for each, number in of("feedfall_run_duration_seconds_bucket", found)}
    assert (buckets["1.0"], buckets["2.0"], buckets["5.0"], buckets["+Inf"]) == (2, 2, 3, 3)
    assert one("feedfall_run_duration_seconds_sum", found) == 4.5
