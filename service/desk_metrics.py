"""What Prometheus reads of the desk: each feed's state, what is late, held, blocked or waits, and how fresh this is.

    Desk, Totals ──▶ samples ──▶ text of /metrics      no request asks a database

A moment is exposed as a moment, never as an age: an alert subtracts it from `feedfall_snapshot_timestamp_seconds`, when
its database was read last. So a database that is away freezes its series and fires nothing that only time has done.
What is not known has no series: no zero here means "nothing was read".
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from ledger.databases import variable
from ledger.totals import BOUNDS, Totals
from operate.desk.desk import BANDS, Band, Desk, FeedDay, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    Sample = tuple[str, tuple[str, ...], float]
    """A metric's name, the values of its labels, a number."""


@dataclass(frozen=True)
class Name:
    """A metric: `docs/reference.md` lists them, and a test compares."""

    labels: tuple[str, ...]
    words: str


FEED = ("database", "feed")
GAUGES: Mapping[str, Name] = {
    "feedfall_feed_state": Name((*FEED, "state"), "1 for the worst state of the feed's base dates, 0 for the others"),
    "feedfall_feed_due_timestamp_seconds": Name(FEED, "When the earliest base date that is not over is or was due"),
    "feedfall_feed_order_timestamp_seconds": Name(FEED, "When the earliest base date without a request is ordered"),
    "feedfall_feed_held_timestamp_seconds": Name(FEED, "When a person held the feed; none: it is not held"),
    "feedfall_feed_blocked_timestamp_seconds": Name((*FEED, "code"), "When a fault blocked the feed; none: it is open"),
    "feedfall_last_arrival_timestamp_seconds": Name(FEED, "When rows of the feed last came"),
    "feedfall_arrival_lateness_seconds": Name(FEED, "Due time to arrival of the newest arrived date; negative: early"),
    "feedfall_requests_unanswered": Name(FEED, "Requests that were sent and have no answer"),
    "feedfall_oldest_unanswered_timestamp_seconds": Name(FEED, "When the oldest unanswered request was sent"),
    "feedfall_quarantine_entries": Name((*FEED, "fate"), "Entries that wait: quarantined or deferred"),
    "feedfall_quarantine_oldest_timestamp_seconds": Name(FEED, "When the oldest entry that waits for a person came"),
    "feedfall_lag_offsets": Name(FEED, "Offsets between sub's checkpoints and the topic's end"),
    "feedfall_lease_expires_timestamp_seconds": Name((*FEED, "stage"), "When the earliest lease of a run ends"),
    "feedfall_sweep_last_end_timestamp_seconds": Name(("database",), "When the last sweep came to its end"),
    "feedfall_sweep_last_success_timestamp_seconds": Name(("database",), "When the last sweep without a fault ended"),
    "feedfall_snapshot_timestamp_seconds": Name(("database",), "When the database was read last"),
    "feedfall_snapshot_age_seconds": Name(("database",), "Seconds since the database was read; +Inf: never"),
    "feedfall_database_up": Name(("database",), "1: the database answered when it was asked last"),
    "feedfall_calendar_covered_until_timestamp_seconds": Name(("calendar",), "When the calendar's last day ends"),
    "feedfall_notices_pending": Name(("database",), "Webhook reports that nobody has taken yet"),
    "feedfall_approvals_pending": Name(("database",), "Acts that wait for a second person"),
    "feedfall_break_glass_timestamp_seconds": Name(("database",), "When someone last acted by break-glass"),
}
COUNTERS: Mapping[str, Name] = {
    "feedfall_runs_total": Name((*FEED, "status"), "Runs that ended, by status"),
    "feedfall_rows_total": Name((*FEED, "fate"), "Rows that were read, by what became of them"),
    "feedfall_acts_total": Name(("database", "verb", "outcome"), "Lines of the journal; outcome recorded: of no act"),
}
DURATION, DURATION_LABELS = "feedfall_run_duration_seconds", ("database", "stage")
NEVER = ""


class DeskMetrics:
    """The text of /metrics. Each argument gives the newest of its kind; a Desk of None: nothing was read yet."""

    def __init__(
        self,
        desk: Callable[[], Desk | None],
        clock: Callable[[], datetime],
        totals: Callable[[], Sequence[Totals]] = tuple,
        covered: Callable[[], Mapping[str, datetime]] = dict,
    ) -> None:
        self._desk, self._clock, self._totals, self._covered = desk, clock, totals, covered
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing: the registry would call `collect` to learn the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Called by the registry, once a scrape."""
        desk = self._desk()
        if desk is None:
            yield from families([("feedfall_snapshot_age_seconds", (NEVER,), math.inf)])
            return
        totals = self._totals()
        yield from families([*samples(desk, self._clock()), *of_calendars(self._covered()), *of_totals(totals)])
        yield durations(totals)


def samples(desk: Desk, now: datetime) -> Iterator[Sample]:
    """All numbers of a Desk."""
    yield from of_days(desk)
    yield from of_feeds(desk)
    yield from of_runs(desk)
    yield from of_databases(desk, now)


def of_days(desk: Desk) -> Iterator[Sample]:
    """The state of each feed, the worst of its base dates first, and its next times."""
    days: dict[tuple[str, str], list[FeedDay]] = defaultdict(list)
    for day in desk.days:
        days[variable(day.database), day.feed].append(day)
    stopped = {(variable(each.database), each.feed): _stopped(each.held_at, each.blocked_at) for each in desk.feeds}
    for feed in days.keys() | {feed for feed, states in stopped.items() if states}:
        states = {day.state for day in days[feed]}.union(stopped.get(feed, ()))
        worst = next(state for state in State if state in states)
        yield from (("feedfall_feed_state", (*feed, state), state is worst) for state in State)
        yield from _times(feed, days[feed])


def _stopped(held_at: datetime | None, blocked_at: datetime | None) -> set[State]:
    return ({State.HELD} if held_at else set()) | ({State.BLOCKED} if blocked_at else set())


def _times(feed: tuple[str, str], days: Sequence[FeedDay]) -> Iterator[Sample]:
    waits = [day for day in days if BANDS[day.state] is not Band.OVER]
    yield from _least("feedfall_feed_due_timestamp_seconds", feed, (day.due_at for day in waits))
    unordered = (day.order_at for day in waits if day.seq is None and day.state is not State.UNKNOWN)
    yield from _least("feedfall_feed_order_timestamp_seconds", feed, unordered)
    late = {day.base_date: day.arrived_at - day.due_at for day in days if day.arrived_at and day.due_at}
    if late:
        yield "feedfall_arrival_lateness_seconds", feed, late[max(late)].total_seconds()


def of_feeds(desk: Desk) -> Iterator[Sample]:
    """What is known of a feed, whatever the base date."""
    for each in desk.feeds:
        feed = (variable(each.database), each.feed)
        yield "feedfall_requests_unanswered", feed, each.unanswered
        yield "feedfall_quarantine_entries", (*feed, "quarantined"), each.quarantined
        yield "feedfall_quarantine_entries", (*feed, "deferred"), each.deferred_rows
        if each.lag is not None:
            yield "feedfall_lag_offsets", feed, each.lag
        code = "" if each.blocked_code is None else str(each.blocked_code)
        yield from _least("feedfall_feed_blocked_timestamp_seconds", (*feed, code), [each.blocked_at])
        yield from _least("feedfall_feed_held_timestamp_seconds", feed, [each.held_at])
        yield from _least("feedfall_oldest_unanswered_timestamp_seconds", feed, [each.oldest_unanswered_at])
        yield from _least("feedfall_quarantine_oldest_timestamp_seconds", feed, [each.oldest_quarantined_at])
        yield from _least("feedfall_last_arrival_timestamp_seconds", feed, [each.last_arrival_at])


def of_runs(desk: Desk) -> Iterator[Sample]:
    """The leases of runs at work: of several of a stage, the one that ends first."""
    leases: dict[tuple[str, str, str], list[datetime | None]] = defaultdict(list)
    for run in desk.runs:
        if run.ended_at is None:
            leases[variable(run.database), run.feed, run.stage].append(run.lease_expires_at)
    for labels, moments in leases.items():
        yield from _least("feedfall_lease_expires_timestamp_seconds", labels, moments)


def of_databases(desk: Desk, now: datetime) -> Iterator[Sample]:
    """Whether each database answers, how old its part of the Desk is, and its sweeps."""
    for each in desk.databases:
        database = (variable(each.name),)
        age = (now - each.read_at).total_seconds() if each.read_at else math.inf
        yield "feedfall_database_up", database, each.read_at is not None and each.failure is None
        yield "feedfall_snapshot_age_seconds", database, max(age, 0)
        yield from _least("feedfall_snapshot_timestamp_seconds", database, [each.read_at])
        yield from _least("feedfall_sweep_last_end_timestamp_seconds", database, [each.sweep_ended_at])
        yield from _least("feedfall_sweep_last_success_timestamp_seconds", database, [each.sweep_good_at])


def of_calendars(covered: Mapping[str, datetime]) -> Iterator[Sample]:
    """How far the calendars of the feeds reach."""
    for calendar, until in covered.items():
        yield "feedfall_calendar_covered_until_timestamp_seconds", (calendar,), until.timestamp()


def of_totals(totals: Iterable[Totals]) -> Iterator[Sample]:
    """What each database has counted since its ledger began."""
    for each in totals:
        database = (variable(each.database),)
        yield "feedfall_notices_pending", database, each.notices_pending
        yield "feedfall_approvals_pending", database, each.approvals_pending
        yield from _least("feedfall_break_glass_timestamp_seconds", database, [each.break_glass_at])
        for name, counted in (
            ("feedfall_runs_total", each.runs),
            ("feedfall_rows_total", each.rows),
            ("feedfall_acts_total", each.acts),
        ):
            yield from ((name, (*database, *labels), number) for labels, number in counted.items())


def durations(totals: Iterable[Totals]) -> Metric:
    """How long runs took, by stage: a bucket a feed and stage would be 10,000 series."""
    family = HistogramMetricFamily(DURATION, "Seconds of a run that ended", labels=DURATION_LABELS)
    for each in totals:
        for stage, (buckets, seconds) in each.durations.items():
            reached = [sum(buckets[: place + 1]) for place in range(len(buckets))]
            bounds = [*map(str, BOUNDS), "+Inf"]
            family.add_metric((variable(each.database), _text(stage)), list(zip(bounds, reached, strict=True)), seconds)
    return family


def families(numbers: Iterable[Sample]) -> Iterator[Metric]:
    """The samples, metric by metric. The same labels twice are one sample: Prometheus would refuse the whole page."""
    sorted_out: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for name, labels, number in numbers:
        sorted_out[name][tuple(map(_text, labels))] = float(number)
    for names, kind in ((GAUGES, GaugeMetricFamily), (COUNTERS, CounterMetricFamily)):
        for name in names.keys() & sorted_out.keys():
            family = kind(name, names[name].words, labels=names[name].labels)
            for labels, number in sorted_out[name].items():
                family.add_metric(labels, number)
            yield family


def _least(name: str, labels: tuple[str, ...], moments: Iterable[datetime | None]) -> Iterator[Sample]:
    """The earliest of them; no sample where there is none."""
    known = [moment for moment in moments if moment]
    if known:
        yield name, labels, min(known).timestamp()


def _text(value: str) -> str:
    """A label's value. UTF-8 has no half of a pair: one name with it would make the page unreadable for all."""
    return value.encode("utf-8", "replace").decode()
