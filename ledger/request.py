"""Requests, and whether their responses are there. pub records and sends, relay answers, sub completes.

new ──▶ sent ──▶ answered ──▶ complete      every row of the response has a fate
 │       │ ▲ ├──────────────▶ empty         the partner had nothing, and said so
 │       ▼ │ └──────────────▶ refused       the partner said no
 │     deferred (`retry_at`)                no answer now; relay sends it again when its time has come
 ├─ kept (`kept_at`)                        ordered during a hold or a block; sent when the feed is free
 └────────┴─────────────────▶ withdrawn     by a person, before an answer. One that comes all the same is loaded as
                                            ever, and `withdrawn_at` stays: the withdrawal was overtaken
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from catalog.partner import Request
from ledger.chunk import storable
from ledger.database import Connection, at_once, fetch_all, fetch_one, one, rows, run
from ledger.errors import translated


@dataclass(frozen=True)
class Overdue:
    """A request sent `seconds` ago and not answered."""

    feed: str
    base_date: date
    seq: int
    seconds: float
    retry_at: datetime | None = None
    retry_reason: str | None = None
    """Where relay has deferred it: until when, and why."""


@dataclass(frozen=True)
class Deferred:
    """A request that relay has deferred `tries` times, since `deferred_at`."""

    correlation_id: UUID
    base_date: date
    seq: int
    tries: int
    deferred_at: datetime


@dataclass(frozen=True)
class DeferredCount:
    """How many requests are deferred, and when the first of them is sent again."""

    count: int
    retry_at: datetime | None


@dataclass(frozen=True)
class RequestState:
    """One request. `count`: rows of its whole response; `quarantined`: those of them that wait for a person."""

    status: str
    reason: str | None = None
    count: int | None = None
    quarantined: int = 0
    retry_at: datetime | None = None
    retry_reason: str | None = None
    kept_at: datetime | None = None
    """Since when it waits until the feed is free."""
    withdrawn_by: str | None = None
    withdrawn_reason: str | None = None

    @property
    def settled(self) -> bool:
        return self.status in ("complete", "empty", "refused", "withdrawn")


@dataclass(frozen=True)
class Left:
    """Orders of a feed that are recorded and not in Kafka. `base_date`, `seq`: of the first of them."""

    feed: str
    kept: int
    """Of them, those that waited until the feed is free."""
    count: int
    since: datetime
    base_date: date
    seq: int


@dataclass(frozen=True)
class Known:
    """A request that relay does not send, and whose it is. `withdrawn`: and not answered."""

    feed: str
    withdrawn: bool = False


@dataclass(frozen=True)
class Ordered:
    """A request of a base date, as a person sees it who takes it back."""

    correlation_id: UUID
    base_date: date
    seq: int | None
    status: str
    sent_at: datetime | None = None
    kept_at: datetime | None = None
    retry_at: datetime | None = None
    answered_at: datetime | None = None
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None


@dataclass(frozen=True)
class WithdrawnCount:
    """How many requests were withdrawn; `overtaken`: those whose answer came all the same."""

    count: int
    overtaken: int


def record_requests(connection: Connection, feed: str, requests: Sequence[Request]) -> None:
    """Record requests of one seq that are not there yet, and commit."""
    ids = [request.correlation_id for request in requests]
    with translated(), at_once(connection):
        dates = [request.base_date for request in requests]
        run(connection, "request.order", feed=feed, seq=requests[0].seq, ids=ids, base_dates=dates)


def keep(connection: Connection, ids: Sequence[UUID]) -> int:
    """The feed is held or blocked: how many of them are kept until it is free. Commits."""
    with translated(), at_once(connection):
        return run(connection, "request.keep", ids=list(ids))


def lock_unsent(connection: Connection, ids: Sequence[UUID]) -> list[Request]:
    """Those of them that are to be sent, in their order, locked until the caller's transaction ends."""
    with translated():
        return [Request(*line) for line in rows(connection, "request.unsent", ids=list(ids))]


def record_sent(connection: Connection, ids: Sequence[UUID]) -> None:
    """Kafka has them. The caller commits."""
    with translated():
        run(connection, "request.sent", ids=list(ids))


def fetch_left(connection: Connection, feed: str, before: datetime, since: datetime, limit: int) -> list[UUID]:
    """Orders that were kept, or recorded between `since` and `before` and never sent. Ends its transaction."""
    with translated():
        found = rows(connection, "request.left", feed=feed, before=before, since=since, limit=limit)
        connection.rollback()
    return [line[0] for line in found]


def fetch_left_feeds(connection: Connection, before: datetime, since: datetime) -> list[Left]:
    """The feeds that have such orders."""
    with translated():
        return fetch_all(connection, Left, "request.left_feeds", before=before, since=since)


def count_kept(connection: Connection, feed: str) -> int:
    """How many orders of a feed wait until it is free."""
    with translated():
        number: int = one(connection, "request.kept", feed=feed)[0]
    return number


def fetch_of_date(connection: Connection, feed: str, base_date: date, seq: int | None = None) -> list[Ordered]:
    """The requests of a base date, the newest first."""
    with translated():
        return fetch_all(connection, Ordered, "request.of_date", feed=feed, base_date=base_date, seq=seq)


def withdraw(connection: Connection, ids: Sequence[UUID], by: str, reason: str) -> set[UUID]:
    """Take back those of them that have no answer; which those are. The caller commits."""
    with translated():
        return {line[0] for line in rows(connection, "request.withdraw", ids=list(ids), by=by, reason=reason)}


def fetch_withdrawn(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Which of them a person has withdrawn."""
    with translated():
        return {line[0] for line in rows(connection, "request.withdrawn", ids=list(ids))}


def count_withdrawn(connection: Connection, feed: str) -> WithdrawnCount:
    """How many requests of a feed were withdrawn."""
    with translated():
        return WithdrawnCount(*one(connection, "request.count_withdrawn", feed=feed))


def fetch_known(connection: Connection, feed: str, ids: Sequence[UUID]) -> dict[UUID, Known]:
    """Which of them relay does not send: answered, deferred, withdrawn, or another feed's. Ends its transaction."""
    with translated():
        known = {line[0]: Known(*line[1:]) for line in rows(connection, "request.known", ids=list(ids), feed=feed)}
        connection.rollback()
    return known


def record_deferred(
    connection: Connection, feed: str, deferrals: Sequence[tuple[Request, datetime, str]], now: datetime
) -> None:
    """Record (request, when it is sent again, why not now). The caller commits."""
    run(
        connection,
        "request.defer",
        feed=feed,
        now=now,
        ids=[request.correlation_id for request, _, _ in deferrals],
        base_dates=[request.base_date for request, _, _ in deferrals],
        seqs=[request.seq for request, _, _ in deferrals],
        times=[until for _, until, _ in deferrals],
        reasons=[storable(reason) for _, _, reason in deferrals],
    )


def fetch_due(connection: Connection, feed: str, now: datetime, limit: int) -> list[Deferred]:
    """Deferred requests whose time has come, those that were tried least first. Ends its transaction."""
    with translated():
        found = fetch_all(connection, Deferred, "request.due", feed=feed, now=now, limit=limit)
        connection.rollback()
    return found


def fetch_due_feeds(connection: Connection, now: datetime) -> dict[str, int]:
    """Feed → how many of its deferred requests are due."""
    with translated():
        return dict(rows(connection, "request.due_feeds", now=now))


def count_deferred(connection: Connection, feed: str) -> DeferredCount:
    """How many requests of a feed are deferred now."""
    with translated():
        return DeferredCount(*one(connection, "request.deferred", feed=feed))


def hasten(connection: Connection, feed: str) -> int:
    """Let every deferred request of a feed be sent again at once. The caller commits."""
    return run(connection, "request.hasten", feed=feed)


def fetch_answered(connection: Connection, ids: Iterable[UUID]) -> set[UUID]:
    """Which of them are recorded as answered. Ends its transaction."""
    with translated():
        answered = {row[0] for row in rows(connection, "request.answered", ids=list(ids))}
        connection.rollback()
    return answered


def record_answered(connection: Connection, feed: str, answers: Sequence[tuple[Request, int | None]]) -> None:
    """Record (request, rows of its response). The caller commits."""
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
    """The highest attempt number of a base date; 0 when it was never requested."""
    with translated():
        return one(connection, "request.highest_seq", feed=feed, base_date=base_date)[0] or 0


def fetch_state(connection: Connection, correlation_id: UUID) -> RequestState | None:
    """The state of a request; None when it was never recorded."""
    with translated():
        return fetch_one(connection, RequestState, "request.state", id=correlation_id)


def count_waiting(connection: Connection, feed: str) -> int:
    """How many requests of a feed have no end yet."""
    with translated():
        number: int = one(connection, "request.waiting", feed=feed)[0]
    return number


def fetch_overdue(connection: Connection, seconds: float) -> list[Overdue]:
    """At most 100 requests that were sent more than `seconds` ago and are not answered."""
    with translated():
        return fetch_all(connection, Overdue, "request.overdue", seconds=seconds)
