"""One reader of all databases: a `Desk` at one moment. The only part of the desk that asks a database.

    Reader.read ─┬─ database "" ──▶ one transaction that reads one moment ─┐
                 └─ database stk ─▶ likewise, at the same time ────────────┴──▶ Desk

A database that is away costs its own feeds alone: what it held last stays, with its old time; before its first answer
each of its feeds is `unknown`. A web process reads every two seconds in a thread of its own, and serves the last Desk.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import business_day
from ledger import databases, desk
from ledger.calendar import load_overrides
from ledger.errors import Failure, Transient
from operate.desk import states
from operate.desk.days import is_shown, question
from operate.desk.desk import DatabaseState, Desk, FeedDay, FeedState, LockLine, RunLine, State, Why
from operate.desk.facts import facts_of
from operate.desk.why import why
from steps.run import calendars, settings
from steps.run.exits import exit_of
from steps.watch.absence import ARRIVALS, due

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import date

    from business_day import Calendar
    from catalog import Feed
    from ledger.database import Connection

#: Seconds for all databases together. One that hangs keeps its last state, and is waited for by the next reading.
PATIENCE = 15.0
AT_ONCE = 8


@dataclass(frozen=True)
class Part:
    """What one database shows."""

    state: DatabaseState
    days: Sequence[FeedDay] = ()
    feeds: Sequence[FeedState] = ()
    runs: Sequence[RunLine] = ()
    locks: Sequence[LockLine] = ()


def read(feeds: Sequence[Feed], environ: Mapping[str, str] = os.environ, now: datetime | None = None) -> Desk:
    """Read once, for a command; nothing stays open."""
    reader = Reader(feeds, environ)
    try:
        return reader.read(now)
    finally:
        reader.close()


class Reader:
    """Reads again and again. One caller at a time; each database has its own session and its own thread."""

    def __init__(self, feeds: Sequence[Feed], environ: Mapping[str, str] = os.environ) -> None:
        names = sorted({feed.database for feed in feeds})
        self._sources = [Source(name, [each for each in feeds if each.database == name], environ) for name in names]
        self._pool = ThreadPoolExecutor(AT_ONCE, "desk") if len(names) > 1 else None
        self._pending: dict[str, Future[Part]] = {}

    def read(self, now: datetime | None = None) -> Desk:
        """What every database says now. Raises nothing: a failure stands beside its database."""
        now = now or datetime.now(UTC)
        parts = self._together(self._pool, now) if self._pool else [each.read(now) for each in self._sources]
        return Desk(
            now,
            [day for part in parts for day in part.days],
            [feed for part in parts for feed in part.feeds],
            [run for part in parts for run in part.runs],
            [part.state for part in parts],
            [lock for part in parts for lock in part.locks],
        )

    def close(self) -> None:
        """Close every session that is at rest."""
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
        for source in self._sources:
            if source.name not in self._pending:
                source.close()

    def _together(self, pool: ThreadPoolExecutor, now: datetime) -> list[Part]:
        for source in self._sources:
            if source.name not in self._pending:
                self._pending[source.name] = pool.submit(source.read, now)
        wait(self._pending.values(), PATIENCE)
        return [self._result(source, now) for source in self._sources]

    def _result(self, source: Source, now: datetime) -> Part:
        if not self._pending[source.name].done():
            return source.away(Transient(f"no answer for {PATIENCE:.0f} s"), now)
        return self._pending.pop(source.name).result()


@dataclass
class Source:
    """One database: its session, and what it said last."""

    name: str
    feeds: Sequence[Feed]
    environ: Mapping[str, str]
    connection: Connection | None = None
    last: Part | None = None
    _overrides: Sequence[business_day.Override] | None = None
    _calendars: dict[str, Calendar | Why] = field(default_factory=dict)

    def read(self, now: datetime) -> Part:
        """What it says now. Raises no Failure: what it said last stays, with the reason."""
        try:
            if self.connection is None:
                self.connection = databases.open_session(self.environ, "feedfall desk", database=self.name)
            with desk.looking(self.connection) as connection:
                self.last = self._read(connection, now)
        except Failure as error:
            self.close()
            return self.away(error, now)
        except BaseException:
            self.close()
            raise
        return self.last

    def close(self) -> None:
        """Close the session; the next reading opens another."""
        if self.connection:
            self.connection.close()
        self.connection = None

    def away(self, error: Failure, now: datetime) -> Part:
        """What it said last, or that nothing is known of its feeds."""
        if self.last:
            state = replace(self.last.state, failure=str(error), failure_code=exit_of(error))
            return replace(self.last, state=state)
        reason = Why("database-away", {"words": f"{databases.variable(self.name)}: {error}"})
        days = [FeedDay(each.name, self.name, _today(each, now), State.UNKNOWN, reason) for each in self.feeds]
        return Part(DatabaseState(self.name, None, str(error), exit_of(error)), days)

    def _read(self, connection: Connection, now: datetime) -> Part:
        since = (now - ARRIVALS).date()
        names = [feed.name for feed in self.feeds]
        asked = desk.fetch_open(connection, names, now, since)
        questions = [question(feed, now, (day for name, day in asked if name == feed.name)) for feed in self.feeds]
        ledger = desk.fetch(connection, questions, now, since)
        self._refresh_calendars(connection)
        return Part(
            states.database_state(ledger, self.name, now, now),
            [each for one in questions for each in self._days(ledger, one, asked, now)],
            [states.feed_state(ledger, feed) for feed in self.feeds],
            [line for feed in self.feeds for line in states.run_lines(ledger, feed)],
            [_lock(each, self.name) for each in ledger.locks],
        )

    def _days(
        self, ledger: desk.Ledger, question: desk.Question, asked: set[tuple[str, date]], now: datetime
    ) -> Iterable[FeedDay]:
        feed = question.feed
        for day in question.days:
            found = why(facts_of(ledger, feed, day), feed, self._calendars[feed.calendar], now)
            is_asked = (feed.name, day) in asked
            if is_shown(found, due(feed, day), now, ledger.watched.get(feed.name), is_asked=is_asked):
                yield found

    def _refresh_calendars(self, connection: Connection) -> None:
        """Open the calendars anew where a decision about a day has changed; copies of a service's, each time."""
        source = settings.calendars(self.environ, self.name)
        overrides = None if source.url or self.name else load_overrides(connection)
        if overrides is not None and overrides == self._overrides:
            return
        self._overrides = overrides
        self._calendars = {
            name: open_calendar(connection, name, source) for name in {feed.calendar for feed in self.feeds}
        }


def open_calendar(connection: Connection, name: str, source: settings.Calendars) -> Calendar | Why:
    """The calendar as a pod would read it, or why that cannot be."""
    try:
        return calendars.read_calendar(connection, name, source)
    except Failure as error:
        return Why("calendar-unknown", {"words": str(error)})


def _today(feed: Feed, now: datetime) -> date:
    return now.astimezone(ZoneInfo(feed.zone)).date()


def _lock(lock: desk.Lock, database: str) -> LockLine:
    about = (lock.run, lock.waits_since, lock.pid, lock.role, lock.application, lock.holder, lock.open_since)
    return LockLine(lock.feed, database, *about)
