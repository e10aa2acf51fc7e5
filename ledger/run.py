"""The table of runs: one row an execution, kept after Argo has forgotten its Workflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from ledger import database
from ledger.database import CODE, Connection, at_once, one
from ledger.errors import translated
from ledger.key import LeaseKey


@dataclass(frozen=True)
class Run:
    """One execution of one stage, as `feedfall runs` shows it."""

    id: int
    feed: str
    stage: str
    name: str
    status: str
    exit_code: int | None
    reason: str | None
    counts: Mapping[str, Any]
    partitions: Sequence[int] | None
    """That it has claimed; None: none."""
    started_at: datetime
    ended_at: datetime | None
    dates: Sequence[str | None] | None = None
    """The first and the last base date that it requested, answered or recorded; None: it has none."""

    @property
    def base_dates(self) -> str:
        """`2026-10-30`, or `2026-10-29..2026-10-30`; empty: not known."""
        return "..".join(sorted({each for each in self.dates or () if each}))


@dataclass(frozen=True)
class LastRun:
    """How a run ended; None: it has not, or nobody could write it down."""

    status: str
    exit_code: int | None
    ended_at: datetime | None
    loaded: int


def start(connection: Connection, key: LeaseKey, uid: str, name: str) -> int:
    """Record the beginning and commit; the run's id."""
    with translated():
        number: int = one(connection, "run.start", **vars(key), uid=uid, name=name, code=CODE)[0]
        connection.commit()
    return number


def finish(
    connection: Connection, number: int, status: str, exit_code: int, reason: str | None, counts: Mapping[str, object]
) -> None:
    """Record the end and commit; what is open is rolled back."""
    with translated(), at_once(connection):
        ended = {"id": number, "status": status, "exit_code": exit_code, "reason": reason}
        database.run(connection, "run.finish", **ended, counts=Jsonb(counts))


def latest(connection: Connection, feed: str | None = None, limit: int = 20, *, sweeps: bool = True) -> list[Run]:
    """The newest runs first; without the sweeps, where they are not wanted."""
    with translated():
        return database.fetch_all(connection, Run, "run.latest", feed=feed, limit=limit, sweeps=sweeps)


def last(connection: Connection, key: LeaseKey, limit: int) -> list[LastRun]:
    """How the last runs of a stage ended, the newest first."""
    with translated():
        return database.fetch_all(connection, LastRun, "run.last", **vars(key), limit=limit)
