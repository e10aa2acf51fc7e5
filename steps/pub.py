"""pub: request base dates. Checks the calendar, records each request, produces it, confirms, marks it as sent.

    for each batch: record ─▶ is the feed held? ─▶ lock ─▶ produce ─▶ confirm ─▶ mark as sent
                                    │         └── from here to there no `hold` returns ──┘
                                    └ yes: kept, and sent when the feed is free

A run key (feed, base date, seq) is requested once: the same again is ALREADY_DONE, a run that died half-way is
continued where it stopped. A request may reach the topic twice (a crash between confirm and mark); relay answers
it once. A run sends too what others have left: orders that were kept, and those of a pub that died (the sweep starts
one for them).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from catalog import Envelope, Policy
from catalog.message import correlation
from catalog.partner import Request
from ledger import control, request
from steps.drain.kafka import Cluster
from steps.drain.publisher import Publisher
from steps.partner.messages import headers_for
from steps.run import calendars, gate
from steps.run.execution import Execution, Outcome
from steps.run.exits import Misconfigured
from steps.run.gate import Refusal
from steps.run.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from catalog import Feed

#: Requests that are recorded, produced and confirmed together.
BATCH = 1000
#: Counts that are told where there are any.
SELDOM = ("kept", "withdrawn", "left")
#: A pub that has not sent a recorded order after so long has died. After `FORGOTTEN` nobody expects it any more.
DEAD, FORGOTTEN = timedelta(minutes=5), timedelta(days=3)


def pub(execution: Execution, feed: Feed, days: Sequence[date], seq: int, policy: Policy) -> Outcome:
    """Request these base dates, each at most once. Where the feed is held or blocked they are kept until it is free."""
    open_days, version = _open_days(execution, feed, days, policy)
    counts, stopped = Counts(closed=len(days) - len(open_days)), False
    if not open_days:
        return _outcome(days, counts, None, version, stopped=stopped)
    orders = Orders(execution, feed)
    orders.send_left()
    for batch in _batches(open_days):
        if stopped := execution.stop.is_set():
            break
        orders.send(batch, seq, counts)
    counts.left = len(orders.sent) - counts.ordered
    return _outcome(days, counts, orders.refusal, version, stopped=stopped)


@dataclass
class Counts:
    """What became of a run's own base dates. `left`: orders of other runs that it sent."""

    ordered: int = 0
    already: int = 0
    kept: int = 0
    withdrawn: int = 0
    closed: int = 0
    left: int = 0


class Orders:
    """One run's way of sending: `refusal` says why nothing is sent (any more)."""

    def __init__(self, execution: Execution, feed: Feed) -> None:
        self._execution, self._feed = execution, feed
        self.sent: set[UUID] = set()
        self.refusal = _refusal(execution, feed)
        # A missing topic is reported before anything is recorded. A feed that is held needs none.
        self._publisher = None if self.refusal else _publisher(execution, feed)

    def send_left(self) -> None:
        """Send what was kept during a hold, or recorded by a pub that died: in the order in which it was ordered."""
        before, since = left_between(self._execution.now())
        while not self.refusal and not self._execution.stop.is_set():
            ids = request.fetch_left(self._execution.connection, self._feed.name, before, since, BATCH)
            if not ids or not self._send(ids):
                return

    def send(self, days: Sequence[date], seq: int, counts: Counts) -> None:
        """Record these base dates, and send them; what is not sent now is kept."""
        connection = self._execution.connection
        requests = [Request(correlation(self._feed.name, day, seq), day, seq) for day in days]
        ids = [each.correlation_id for each in requests]
        request.record_requests(connection, self._feed.name, requests)
        self._send(ids)
        sent = len(self.sent.intersection(ids))
        kept = request.keep(connection, ids) if self.refusal else 0
        withdrawn = len(request.fetch_withdrawn(connection, ids))
        counts.ordered += sent
        counts.kept += kept
        counts.withdrawn += withdrawn
        counts.already += len(ids) - sent - kept - withdrawn

    def _send(self, ids: Sequence[UUID]) -> bool:
        """Lock, produce, confirm, mark; whether any was to be sent. Of two runs at once one sends them."""
        self.refusal = self.refusal or _refusal(self._execution, self._feed)
        if self.refusal:
            return False
        connection = self._execution.connection
        with control.kept_open(connection, self._feed.name) as is_open:
            unsent = request.lock_unsent(connection, ids) if is_open else []
            if unsent:
                self._produce(unsent)
                request.record_sent(connection, [each.correlation_id for each in unsent])
        self.sent.update(each.correlation_id for each in unsent)
        if not is_open:  # a person was quicker
            held = Refusal(Status.HELD, Status.HELD.sentence)
            self.refusal = _refusal(self._execution, self._feed) or held
        return bool(unsent)

    def _produce(self, requests: Sequence[Request]) -> None:
        assert self._publisher  # noqa: S101 -- the feed was open
        topic = self._feed.topic("request", self._execution.settings.topic_prefix)
        write_headers = headers_for(self._execution.connection, self._feed)
        for each in requests:
            envelope = Envelope(each.correlation_id, each.base_date, each.seq)
            key = each.base_date.isoformat().encode()
            self._publisher.send(topic, key, write(self._feed, each), write_headers(envelope))
        self._publisher.confirm()


def left_between(now: datetime) -> tuple[datetime, datetime]:
    """(before, since): an order that was recorded between them, and not sent, was left by a pub that died."""
    return now - DEAD, now - FORGOTTEN


def span(first: date, last: date) -> list[date]:
    """Every date from first to last."""
    if last < first:
        raise Misconfigured(f"--to {last} is before --from {first}")
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _open_days(execution: Execution, feed: Feed, days: Sequence[date], policy: Policy) -> tuple[list[date], str | None]:
    """What is requested, and the calendar's version that decided it; OrderAnyway needs no calendar."""
    if policy is Policy.ANYWAY:
        return sorted(set(days)), None
    calendars.refresh(execution, [feed.calendar])
    calendar = calendars.open_calendar(execution, feed.calendar)
    judged = (gate.judge(calendar, day, policy) for day in days)
    return sorted({day for day in judged if day}), calendar.version


def _publisher(execution: Execution, feed: Feed) -> Publisher:
    topic = feed.topic("request", execution.settings.topic_prefix)
    Cluster(execution.settings).topic(topic)  # a missing topic is reported before anything is recorded
    return Publisher(execution.settings)


def _refusal(execution: Execution, feed: Feed) -> Refusal | None:
    return gate.refusal(control.state(execution.connection, feed.name), "pub", execution.now())


def write(feed: Feed, each: Request) -> bytes:
    """A request as a message: the feed's own shape, or ours."""
    if feed.request:
        return feed.request(each)
    body = {"correlation_id": str(each.correlation_id), "base_date": each.base_date.isoformat(), "seq": each.seq}
    return json.dumps(body).encode()


def _batches(days: Sequence[date]) -> Iterator[Sequence[date]]:
    for start in range(0, len(days), BATCH):
        yield days[start : start + BATCH]


def _status(counts: Counts, refusal: Refusal | None) -> Status:
    if refusal and counts.kept:
        return refusal.status
    if counts.ordered or counts.left:
        return Status.SUCCEEDED
    if counts.already:
        return Status.ALREADY_DONE
    return Status.WITHDRAWN if counts.withdrawn else Status.SKIPPED


def _outcome(
    days: Sequence[date], counts: Counts, refusal: Refusal | None, version: str | None, *, stopped: bool
) -> Outcome:
    named = days[0].isoformat() if len(days) == 1 else f"{days[0]}..{days[-1]}"
    status = Status.STOPPED if stopped else _status(counts, refusal)
    words = {name: count for name, count in vars(counts).items() if count or name not in SELDOM}
    decided = {"calendar": version} if version else {}
    reason = _reason(named, counts, refusal, status) if len(days) == 1 or counts.kept else None
    return Outcome(status, reason=reason, counts={"date": named, **words, **decided})


def _reason(named: str, counts: Counts, refusal: Refusal | None, status: Status) -> str | None:
    if refusal and counts.kept:
        kept = "1 order is kept and is" if counts.kept == 1 else f"{counts.kept:,} orders are kept and are"
        return f"{refusal.reason}; {kept} sent then"
    if status is Status.WITHDRAWN:
        return f"the request of {named} was withdrawn: `feedfall submit --rerun` requests it again"
    return f"{named} is no business day" if status is Status.SKIPPED else None


__all__ = ["left_between", "pub", "span", "write"]
