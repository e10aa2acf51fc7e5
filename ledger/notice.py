"""Messages for the webhook: stored together with what they report, until the receiver confirms them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from ledger import journal
from ledger.database import Connection, fetch_one, one, run
from ledger.errors import translated


@dataclass(frozen=True)
class Notice:
    """One message. Its id stays the same however often it is sent."""

    id: UUID
    subject: str
    base_date: date
    body: Mapping[str, Any]
    made_at: datetime


def write(connection: Connection, subject: str, base_date: date, body: Mapping[str, Any], at: datetime) -> None:
    """Store one to be delivered. The caller commits, together with what it reports."""
    run(connection, "notice.write", subject=subject, base_date=base_date, body=Jsonb(body), at=at)


def lock_next(connection: Connection, tried: Sequence[UUID]) -> Notice | None:
    """The oldest that waits and was not tried by this sweep. Locked until the transaction ends: no other has it."""
    with translated():
        return fetch_one(connection, Notice, "notice.next", tried=list(tried))


def record_delivery(connection: Connection, notice: Notice) -> None:
    """Its receiver has it. Commits."""
    with translated():
        run(connection, "notice.delivered", id=notice.id)
        connection.commit()


def record_failure(connection: Connection, notice: Notice, trouble: str, *, give_up: bool) -> None:
    """Its receiver has not taken it. Giving up leaves a line in the journal. Commits."""
    with translated():
        run(connection, "notice.failed", id=notice.id, trouble=trouble, give_up=give_up)
        if give_up:
            detail = {"subject": notice.subject, "base_date": notice.base_date.isoformat(), "notice": str(notice.id)}
            journal.write(connection, "undelivered", None, "sweep", trouble, **detail)
        connection.commit()


def count_undelivered(connection: Connection) -> int:
    """How many still wait."""
    with translated():
        number: int = one(connection, "notice.undelivered")[0]
    return number
