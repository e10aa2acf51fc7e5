"""What was ordered, and whether its answer is there. pub books and sends, relay answers, sub completes.

new ──▶ sent ──▶ answered ──▶ complete      every row of the answer has a fate
├──────▶ empty         the partner had nothing, and said so
└──────▶ refused       the partner said no
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from catalog.partner import Request
from ledger.database import Connection, at_once, maybe, one, rows, run
from ledger.errors import translated


@dataclass(frozen=True)
class Overdue:
    """A request sent `seconds` ago and not answered."""

    feed: str
    base_date: date
    seq: int
    seconds: float


@dataclass(frozen=True)
class State:
    """One request. `count`: rows of its whole answer; `quarantined`: those of them that wait for a person."""

    status: str
    reason: str | None = None
    count: int | None = None
    quarantined: int = 0

    @property
    def settled(self) -> bool:
        return self.status in ("complete", "empty", "refused")


def order(connection: Connection, feed: str, requests: Sequence[Request]) -> set[UUID]:
    """Book requests of one seq and commit; which of them are still to be sent (a half-way run is resumed)."""
    ids = [request.correlation_id for request in requests]
    with translated(), at_once(connection):
        dates = [request.base_date for request in requests]
        run(connection, "request.order", feed=feed, seq=requests[0].seq, ids=ids, base_dates=dates)
        return {found[0] for found in rows(connection, "request.unsent", ids=ids)}


def sent(connection: Connection, ids: Sequence[UUID]) -> None:
    """Kafka has them. Commits."""
    with translated(), at_once(connection):
        run(connection, "request.sent", ids=list(ids))


def answered(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Which of them a partner has answered. Ends its transaction."""
    with translated():
        found = {row[0] for row in rows(connection, "request.answered", ids=list(ids))}
        connection.rollback()
    return found


def answer(connection: Connection, feed: str, answers: Sequence[tuple[Request, int | None]]) -> None:
    """Book (request, rows of its answer). The caller commits."""
    run(
        connection,
        "request.answer",
        feed=feed,
        ids=[request.correlation_id for request, _ in answers],
        base_dates=[request.base_date for request, _ in answers],
        seqs=[request.seq for request, _ in answers],
        counts=[count for _, count in answers],
    )


def highest_seq(connection: Connection, feed: str, base_date: date) -> int:
    """The last try on purpose of a base date; 0 when it was never ordered."""
    with translated():
        return one(connection, "request.highest_seq", feed=feed, base_date=base_date)[0] or 0


def state(connection: Connection, correlation_id: UUID) -> State | None:
    """How an order stands; None when it was never booked."""
    with translated():
        found = maybe(connection, "request.state", id=correlation_id)
    return State(*found) if found else None


def waiting(connection: Connection, feed: str) -> int:
    """How many orders of a feed are not settled yet."""
    with translated():
        number: int = one(connection, "request.waiting", feed=feed)[0]
    return number


def overdue(connection: Connection, seconds: float) -> list[Overdue]:
    """At most 100 requests that were sent more than `seconds` ago and are not answered."""
    with translated():
        return [Overdue(*found) for found in rows(connection, "request.overdue", seconds=seconds)]
