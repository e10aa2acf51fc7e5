"""All that the desk shows of one database, asked for every feed at once: about fifteen statements, however many feeds.

    looking ──▶ a transaction that reads one moment and changes nothing      fetch ──▶ Ledger, a value

`operate/desk/` judges it. A statement that takes too long is ended by the server: the desk must not slow down the runs.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from ledger import desk_tables, heartbeat
from ledger.absence import Report, RequestFacts, Stuck
from ledger.acceptance import Acceptance
from ledger.control import Control
from ledger.database import Connection, fetch_all, one, rows
from ledger.errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from catalog import Feed

T = TypeVar("T")

#: Milliseconds after which the server ends a question of the desk.
PATIENCE = 5000
#: Failed runs of the last half day are shown.
TROUBLE = timedelta(hours=12)
#: A base date that a person requested stands on the desk for so long, while it has no answer.
UNDER_WAY = timedelta(days=3)
STAGES = ("pub", "relay", "sub", "release")


@dataclass(frozen=True)
class DeskRun:
    """A run, as the desk shows it. `date`: what pub was asked for, as its RESULT line says it."""

    id: int
    feed: str
    stage: str
    name: str
    status: str
    exit_code: int | None
    reason: str | None
    date: str | None
    started_at: datetime
    ended_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True)
class Trouble:
    """Failed runs of one feed and stage, and the newest reason."""

    feed: str
    stage: str
    failures: int
    last_at: datetime
    reason: str | None
    exit_code: int | None


@dataclass(frozen=True)
class Lock:
    """A run that waits for another session's lock. `holder`: the run that this session is, if it is one."""

    feed: str
    stage: str
    run: str
    waits_since: datetime | None
    pid: int
    role: str | None
    application: str
    open_since: datetime | None
    """Since when its transaction is open; None: not shown to this role."""
    holder: str | None


@dataclass(frozen=True)
class Backlog:
    """Requests of a feed that have no answer."""

    feed: str
    unanswered: int
    oldest_at: datetime | None


@dataclass(frozen=True)
class Aside:
    """Rows of a feed and one fate that wait."""

    feed: str
    fate: str
    rows: int
    oldest_at: datetime | None


@dataclass(frozen=True)
class FeedControl(Control):
    """A control row, with its feed's name."""

    feed: str = ""


@dataclass(frozen=True)
class Sweep:
    """The last sweep, and the last good one; `lag`: feed → offsets that waited for sub then."""

    ended_at: datetime
    run: int
    good_at: datetime | None
    good_run: int | None
    lag: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Question:
    """Base dates of a feed that the desk wants to know of; `days` says when each began, where the feed lives."""

    feed: Feed
    days: Mapping[date, datetime]
    in_table: frozenset[date] = frozenset()
    """Those that are looked up in the feed's table, where no answer tells."""


@dataclass(frozen=True)
class Ledger:
    """What one database knows at one moment."""

    taken_at: datetime
    controls: Mapping[str, Control] = field(default_factory=dict)
    requests: Mapping[tuple[str, date], Sequence[RequestFacts]] = field(default_factory=dict)
    in_table: Mapping[tuple[str, date], datetime | None] = field(default_factory=dict)
    """Base dates of which the feed's table has rows, and when they came."""
    asked_table: frozenset[tuple[str, date]] = frozenset()
    """Base dates that were looked up in the feed's table."""
    dated: frozenset[str] = frozenset()
    unread: Mapping[tuple[str, date], int] = field(default_factory=dict)
    backlog: Mapping[str, Backlog] = field(default_factory=dict)
    aside: Mapping[tuple[str, str], Aside] = field(default_factory=dict)
    live: Sequence[DeskRun] = ()
    last: Sequence[DeskRun] = ()
    trouble: Sequence[Trouble] = ()
    stuck: Mapping[str, Stuck] = field(default_factory=dict)
    arrivals: Mapping[str, datetime] = field(default_factory=dict)
    watched: Mapping[str, datetime] = field(default_factory=dict)
    reports: Mapping[tuple[str, date], Report] = field(default_factory=dict)
    sweep: Sweep | None = None
    sweep_alarm: str | None = None
    locks: Sequence[Lock] = ()
    accepted: Mapping[tuple[str, date], Acceptance] = field(default_factory=dict)

    @cached_property
    def runs(self) -> Mapping[str, Sequence[DeskRun]]:
        """Feed → its runs that are at work and the last of each stage, each once, the oldest first."""
        found: dict[str, dict[int, DeskRun]] = defaultdict(dict)
        for each in sorted((*self.last, *self.live), key=lambda run: run.id):
            found[each.feed][each.id] = each
        return {feed: list(each.values()) for feed, each in found.items()}

    @cached_property
    def troubles(self) -> Mapping[str, Sequence[Trouble]]:
        """Feed → its failed runs, by stage."""
        found: dict[str, list[Trouble]] = defaultdict(list)
        for each in self.trouble:
            found[each.feed].append(each)
        return found

    def is_at_work(self, run: DeskRun) -> bool:
        """Does it hold a lease? A pub holds none: did it begin within the hour? A killed one never ends."""
        if run.expires_at:
            return run.expires_at > self.taken_at
        is_recent = run.started_at > self.taken_at - timedelta(hours=1)
        return run.stage == STAGES[0] and run.ended_at is None and is_recent


@contextmanager
def looking(connection: Connection) -> Iterator[Connection]:
    """A transaction that sees one moment, changes nothing and waits for nothing; ended when the block ends."""
    connection.rollback()
    connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
    try:
        with translated():
            one(connection, "desk.limit", milliseconds=str(PATIENCE))
            yield connection
    finally:
        if not (connection.closed or connection.broken):
            connection.rollback()
            connection.isolation_level = connection.read_only = None


def fetch_open(connection: Connection, feeds: Sequence[str], now: datetime, since: date) -> set[tuple[str, date]]:
    """Base dates beside tonight's that belong on the desk: reported absent and still open, or requested by people."""
    with translated():
        reported = fetch_all(connection, Report, "absence.open", since=since)
        asked = rows(connection, "desk.under_way", since=now - UNDER_WAY)
    known = set(feeds)
    return {(each.subject, each.base_date) for each in reported if each.subject in known} | {
        (feed, day) for feed, day in asked if feed in known
    }


def fetch(connection: Connection, questions: Sequence[Question], now: datetime, since: date) -> Ledger:
    """All that the desk wants to know of these feeds and base dates. `since`: of absences that were reported."""
    names = [each.feed.name for each in questions]
    outside = [each for each in questions if each.feed.partner is None]
    with translated():
        requests = _requests(connection, questions)
        tables, asked = desk_tables.look_up(connection, questions, requests)
        return Ledger(
            one(connection, "desk.moment")[0],
            _controls(connection),
            requests,
            tables,
            asked,
            frozenset(name for (name,) in rows(connection, "desk.dated", feeds=[each.feed.name for each in outside])),
            _unread(connection, outside),
            {each.feed: each for each in fetch_all(connection, Backlog, "desk.unanswered")},
            {(each.feed, each.fate): each for each in fetch_all(connection, Aside, "desk.set_aside")},
            fetch_all(connection, DeskRun, "desk.live_runs"),
            fetch_all(connection, DeskRun, "desk.last_runs", feeds=names, stages=list(STAGES)),
            fetch_all(connection, Trouble, "desk.trouble", since=now - TROUBLE),
            {feed: Stuck(*stuck) for feed, *stuck in rows(connection, "desk.stuck")},
            dict(rows(connection, "desk.arrivals")),
            dict(rows(connection, "desk.watched")),
            {(a.subject, a.base_date): a for a in fetch_all(connection, Report, "absence.open", since=since)},
            next(iter(fetch_all(connection, Sweep, "desk.sweep")), None),
            heartbeat.alarm(connection),
            fetch_locks(connection),
            _accepted(connection, since),
        )


def fetch_locks(connection: Connection, feed: str | None = None) -> list[Lock]:
    """Runs that wait for another session's lock, of one feed or of all."""
    with translated():
        return [each for each in fetch_all(connection, Lock, "desk.locks") if feed in (None, each.feed)]


def _accepted(connection: Connection, since: date) -> dict[tuple[str, date], Acceptance]:
    found = rows(connection, "desk.accepted", since=since)
    return {(feed, day): Acceptance(day, *rest) for feed, day, *rest in found}


def fetch_runs(connection: Connection, feed: str, since: datetime, until: datetime) -> list[DeskRun]:
    """A feed's runs of a while, the newest first."""
    with translated():
        return fetch_all(connection, DeskRun, "desk.runs_of", feed=feed, since=since, until=until)


def _pairs(questions: Iterable[Question]) -> dict[str, list[Any]]:
    """Every feed with every base date that is asked for: two columns."""
    pairs = [(each.feed.name, day) for each in questions for day in each.days]
    return {"feeds": [feed for feed, _ in pairs], "days": [day for _, day in pairs]}


def _controls(connection: Connection) -> dict[str, FeedControl]:
    return {each.feed: each for each in fetch_all(connection, FeedControl, "desk.controls")}


def _requests(connection: Connection, questions: Sequence[Question]) -> dict[tuple[str, date], list[RequestFacts]]:
    found: dict[tuple[str, date], list[RequestFacts]] = defaultdict(list)
    for each in fetch_all(connection, RequestFacts, "desk.requests", **_pairs(questions)):
        if each.base_date:
            found[each.feed, each.base_date].append(each)
    return dict(found)


def _unread(connection: Connection, outside: Sequence[Question]) -> dict[tuple[str, date], int]:
    since = [began for each in outside for began in each.days.values()]
    found = rows(connection, "desk.unread", **_pairs(outside), since=since)
    return {(feed, day): count for feed, day, count in found}
