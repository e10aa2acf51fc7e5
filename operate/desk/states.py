"""What the desk shows beside base dates: each feed, the runs, and the database itself. Pure: a ledger's values in."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from ledger.control import Control
from operate.desk.desk import DatabaseState, FeedState, RunLine, Why

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog import Feed
    from ledger.desk import DeskRun, Ledger, Sweep

MISSED = timedelta(minutes=3)
MINUTE = timedelta(minutes=1)


def feed_state(ledger: Ledger, feed: Feed) -> FeedState:
    """One feed, whatever the base date."""
    name, control = feed.name, ledger.controls.get(feed.name, Control())
    backlog = ledger.backlog.get(name)
    bad, deferred = ledger.aside.get((name, "quarantined")), ledger.aside.get((name, "deferred"))
    troubles = ledger.troubles.get(name, ())
    trouble = max(troubles, key=lambda each: each.last_at, default=None)
    return FeedState(
        name,
        feed.database,
        held_by(control),
        control.held_at,
        control.held_reason,
        control.blocked_code,
        control.blocked_at,
        control.blocked_reason,
        control.wait_until,
        backlog.unanswered if backlog else 0,
        backlog.oldest_at if backlog else None,
        bad.rows if bad else 0,
        deferred.rows if deferred else 0,
        bad.oldest_at if bad else None,
        ledger.arrivals.get(name),
        ((ledger.sweep.lag or {}) if ledger.sweep else {}).get(name),
        sum(each.failures for each in troubles),
        trouble.last_at if trouble else None,
        trouble.reason if trouble else None,
    )


def held_by(control: Control) -> str | None:
    """Whose hold it is: both names, where they differ."""
    who, signed_in = control.held_by, control.held_signed_in or control.held_by
    return who if who == signed_in else f"{who} (signed in as {signed_in})"


def run_lines(ledger: Ledger, feed: Feed) -> Iterator[RunLine]:
    """The feed's runs that are at work, and the last of each stage; each once, the newest first."""
    for each in reversed(ledger.runs.get(feed.name, ())):
        yield run_line(each, feed.database)


def run_line(run: DeskRun, database: str) -> RunLine:
    """A run, as the desk shows it."""
    return RunLine(
        run.id,
        run.feed,
        database,
        run.stage,
        run.name,
        run.status,
        run.exit_code,
        run.reason,
        base_date(run.date),
        run.started_at,
        run.ended_at,
        run.expires_at,
    )


def base_date(text: str | None) -> date | None:
    """What pub was asked for; None where that was a range."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def database_state(ledger: Ledger, name: str, read_at: datetime, now: datetime) -> DatabaseState:
    """A database that answered."""
    sweep = ledger.sweep
    return DatabaseState(
        name,
        read_at,
        None,
        None,
        sweep.ended_at if sweep else None,
        sweep.good_at if sweep else None,
        ledger.sweep_alarm,
        sweep_why(sweep, now),
    )


def sweep_why(sweep: Sweep | None, now: datetime) -> Why | None:
    """What is wrong with the sweep; None: it swept well within three minutes."""
    if sweep is None:
        return Why("sweep-never")
    age = now - sweep.ended_at
    if age > MISSED:
        return Why("sweep-missing", {"since_minutes": age // MINUTE, "at": sweep.ended_at})
    if sweep.good_at is None or now - sweep.good_at > MISSED:
        return Why("sweep-faulty", {"at": sweep.good_at})
    return None
