"""Desks for the tests of metrics, and what a scrape of one would store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from ledger.totals import Totals
from operate.desk.desk import DatabaseState, Desk, FeedDay, FeedState, RunLine, State, Why
from service.desk_metrics import DeskMetrics

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
