"""The book of runs: one row an execution, kept after Argo has forgotten its Workflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from ledger.database import CODE, Connection, at_once, one, rows
from ledger.database import run as execute
from ledger.errors import translated


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
    started_at: datetime
    ended_at: datetime | None


def start(connection: Connection, feed: str, stage: str, shard: int, uid: str, name: str) -> int:
    """Book the beginning and commit; the run's id."""
    with translated():
        key = {"feed": feed, "stage": stage, "shard": shard, "uid": uid, "name": name}
        number: int = one(connection, "run.start", **key, code=CODE)[0]
        connection.commit()
    return number


def finish(
    connection: Connection, number: int, status: str, exit_code: int, reason: str | None, counts: Mapping[str, object]
) -> None:
    """Book the end and commit; what is open is rolled back."""
    with translated(), at_once(connection):
        ended = {"id": number, "status": status, "exit_code": exit_code, "reason": reason}
        execute(connection, "run.finish", **ended, counts=Jsonb(counts))


def latest(connection: Connection, feed: str | None = None, limit: int = 20) -> list[Run]:
    """The newest runs first."""
    with translated():
        return [Run(*found) for found in rows(connection, "run.latest", feed=feed, limit=limit)]
