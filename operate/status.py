"""runs, newest, absent: what ran, what was loaded last, and what is missing. Called by `feedfall runs` and the like."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from catalog import Feed
from ledger import absence, desk, heartbeat, rows, run
from ledger.absence import Report
from ledger.database import Connection
from ledger.run import Run
from operate.desk.days import question_of
from operate.desk.desk import FeedDay
from operate.desk.facts import facts_of
from operate.desk.read import open_calendar
from operate.desk.why import why
from steps.run.settings import Calendars
from steps.watch.absence import ARRIVALS


@dataclass(frozen=True)
class NewestRows:
    """Rows of a feed's table under their columns: the feed's own, then when it was sent, its seq and its run."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Absence:
    """What was reported once, and what is there instead now; None: it is no feed of this database."""

    report: Report
    now: FeedDay | None


def latest_runs(connection: Connection, feed: Feed | None, limit: int, *, sweeps: bool = False) -> list[Run]:
    """The newest runs of a feed, or of all."""
    return run.latest(connection, feed.name if feed else None, limit, sweeps=sweeps)


def newest_rows(connection: Connection, feed: Feed, limit: int) -> NewestRows:
    """The rows of a feed that were loaded last."""
    return NewestRows((*feed.columns, "sent", "seq", "run"), rows.newest(connection, feed, limit))


def absences(connection: Connection, feeds: Sequence[Feed], source: Calendars, now: datetime) -> list[Absence]:
    """What was due in the last 30 days, was reported absent, and has not come: as it was reported, and as it is now."""
    since = (now - ARRIVALS).date()
    reports = absence.fetch_open(connection, since)
    days: dict[str, list[date]] = defaultdict(list)
    for each in reports:
        days[each.subject].append(each.base_date)
    questions = [question_of(feed, days[feed.name], now) for feed in feeds if feed.name in days]
    ledger = desk.fetch(connection, questions, now, since)
    calendars = {feed.calendar: open_calendar(connection, feed.calendar, source) for feed in feeds}
    current = {
        (one.feed.name, day): why(facts_of(ledger, one.feed, day), one.feed, calendars[one.feed.calendar], now)
        for one in questions
        for day in one.days
    }
    return [Absence(each, current.get((each.subject, each.base_date))) for each in reports]


def sweep_alarm(connection: Connection) -> str | None:
    """What is wrong with the sweep; None where it swept well within the last three minutes."""
    return heartbeat.alarm(connection)
