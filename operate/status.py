"""runs, newest, absent: what ran, what was loaded last, and what is missing. Called by `feedfall runs` and the like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog import Feed
from ledger import absence, heartbeat, rows, run
from ledger.absence import Report
from ledger.database import Connection
from ledger.run import Run
from steps.watch.absence import ARRIVALS


@dataclass(frozen=True)
class NewestRows:
    """Rows of a feed's table under their columns: the feed's own, then when it was sent, its seq and its run."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def latest_runs(connection: Connection, feed: Feed | None, limit: int) -> list[Run]:
    """The newest runs of a feed, or of all."""
    return run.latest(connection, feed.name if feed else None, limit)


def newest_rows(connection: Connection, feed: Feed, limit: int) -> NewestRows:
    """The rows of a feed that were loaded last."""
    return NewestRows((*feed.columns, "sent", "seq", "run"), rows.newest(connection, feed, limit))


def absences(connection: Connection, now: datetime) -> list[Report]:
    """What was due in the last 30 days, was reported absent, and has not come."""
    return absence.fetch_open(connection, (now - ARRIVALS).date())


def sweep_alarm(connection: Connection) -> str | None:
    """What is wrong with the sweep; None where it swept well within the last three minutes."""
    return heartbeat.alarm(connection)
