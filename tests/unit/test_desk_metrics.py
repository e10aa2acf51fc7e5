"""/metrics of a Desk: what is exposed, and what a feed's name, an outage or a start must not make of it."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ledger.totals import BOUNDS, FATES, Totals
from operate.desk.desk import DatabaseState, Desk, FeedDay, FeedState, RunLine, State, Why
from service.desk_metrics import DeskMetrics
from steps.run.status import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
UP = DatabaseState("", NOW)
Labels = dict[str, str]


def day(state: State, *, feed: str = "fx", base_date: date = date(2026, 11, 24), **more: object) -> FeedDay:
    return FeedDay(feed, "", base_date, state, Why("test"), **more)  # type: ignore[arg-type]


def desk(
    *days: FeedDay,
    feeds: Sequence[FeedState] = (),
    runs: Sequence[RunLine] = (),
    databases: Sequence[DatabaseState] = (UP,),
) -> Desk:
    return Desk(NOW, days, feeds, runs, databases)


def line(**more: object) -> RunLine:
    values = {"id": 1, "name": "fx-sub-1", "exit_code": None, "reason": None, "base_date": None, "ended_at": None}
    values |= {"feed": "fx", "database": "", "stage": "sub", "status": "RUNNING", "started_at": NOW - HOUR}
    return RunLine(**values | more)  # type: ignore[arg-type]


def read(shown: Desk | None, *totals: Totals, now: datetime = NOW) -> list[tuple[str, Labels, float]]:
    """What a scrape would store."""
    text = DeskMetrics(lambda: shown, lambda: now, lambda: totals).text().decode()
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def of(name: str, found: list[tuple[str, Labels, float]]) -> list[tuple[Labels, float]]:
    return [(labels, number) for each, labels, number in found if each == name]


def one(name: str, found: list[tuple[str, Labels, float]]) -> float:
    [(_, number)] = of(name, found)
    return number


def state(found: list[tuple[str, Labels, float]]) -> list[str]:
    return [labels["state"] for labels, number in of("feedfall_feed_state", found) if number]


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


# -- attacks --


@pytest.mark.parametrize(
    "name",
    [
        'fx"} 1\nfeedfall_database_up{database="x',  # closes the label and adds a metric
        "back\\slash\\",
        "new\nline\r\n",
        "\u202egnp.exe",  # bidi
        "half \ud800 a pair",
        "<script>alert(1)</script>",
        "{{ $labels.feed }}",
        "x" * 100_000,
    ],
)
def test_labels__a_hostile_name_stays_a_value(name: str) -> None:
    found = read(desk(day(State.ABSENT, feed=name), feeds=[FeedState(name, "")]))
    values = {labels["feed"] for _, labels, _ in found if "feed" in labels}
    assert values == {name.encode("utf-8", "replace").decode()}
    assert len(of("feedfall_database_up", found)) == 1


def test_labels__the_same_twice_are_one_sample() -> None:
    found = read(desk(feeds=[FeedState("a\ud800", ""), FeedState("a?", "")]))
    assert len(of("feedfall_requests_unanswered", found)) == 1


def test_labels__never_a_date_or_a_run() -> None:
    found = read(desk(day(State.ABSENT, due_at=NOW), runs=[line(lease_expires_at=NOW)]))
    words = {value for _, labels, _ in found for value in labels.values()}
    assert not [word for word in words if "2026" in word or "fx-sub-1" in word]


#: How a run of a pod can end; the other words are those of commands.
ENDS = [each for each in Status if each is not Status.RUNNING][: list(Status).index(Status.FAILED) + 1]
STAGES = ("pub", "relay", "sub", "release", "sweep", "verify")


def test_cardinality__of_200_feeds_with_all_that_can_be() -> None:
    """Each feed has every status, fate and lease that there is, and each database each verb."""
    names = [f"feed-{number}" for number in range(200)]
    moments = dict.fromkeys(("held_at", "blocked_at", "oldest_unanswered_at", "oldest_quarantined_at"), NOW)
    feeds = [FeedState(name, "", lag=1, last_arrival_at=NOW, **moments) for name in names]  # type: ignore[arg-type]
    days = [
        day(State.ABSENT, feed=name, due_at=NOW, order_at=NOW, arrived_at=NOW, base_date=date(2026, 11, number))
        for name in names
        for number in range(1, 31)
    ]
    runs = [line(feed=name, stage=stage, lease_expires_at=NOW) for name in names for stage in STAGES[:4]]
    verbs = [(f"verb-{number}", outcome) for number in range(30) for outcome in ("done", "refused", "failed")]
    totals = Totals(
        "",
        {(name, status): 1 for name in names for status in ENDS},
        {(name, fate): 1 for name in names for fate in FATES},
        dict.fromkeys(verbs, 1),
        {stage: ([1] * (len(BOUNDS) + 1), 1) for stage in STAGES},
        approvals_pending=1,
        break_glass_at=NOW,
    )
    assert len(read(desk(*days, feeds=feeds, runs=runs), totals)) < 10_000
