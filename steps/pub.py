"""pub: request base dates. Checks the calendar, records the request, produces it, confirms, marks it sent.

    for each batch: record ─▶ is the feed held? ─▶ produce ─▶ confirm ─▶ mark as sent
                                    └── from here to there no `hold` returns

A run key (feed, base date, seq) is requested once: the same again is ALREADY_DONE, a run that died half-way is
continued where it stopped. A request may reach the topic twice (a crash between confirm and mark); relay answers
it once.
"""

from __future__ import annotations

import json
from dataclasses import replace
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

    from catalog import Feed

#: Requests of a range that are recorded, produced and confirmed together.
BATCH = 1000


def pub(execution: Execution, feed: Feed, days: Sequence[date], seq: int, policy: Policy) -> Outcome:
    """Request these base dates, each at most once."""
    if refusal := _refusal(execution, feed):
        return Outcome(refusal.status, reason=refusal.reason)
    open_days, version = _open_days(execution, feed, days, policy)
    ordered = sent = 0
    if open_days:
        publisher = _publisher(execution, feed)
        for batch in _batches(open_days):
            if execution.stop.is_set():
                return _outcome(days, open_days, ordered, sent, Status.STOPPED, version)
            now = _send_requests(execution, feed, publisher, batch, seq)
            if isinstance(now, Refusal):
                stopped = _outcome(days, open_days, ordered, sent, now.status, version)
                return replace(stopped, reason=now.reason)
            ordered, sent = ordered + len(batch), sent + now
    return _outcome(days, open_days, ordered, sent, _status(open_days, sent), version)


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


def _send_requests(
    execution: Execution, feed: Feed, publisher: Publisher, days: Sequence[date], seq: int
) -> int | Refusal:
    """Record, produce, confirm, mark; how many were sent now. What is recorded and not sent, the next run sends."""
    if refusal := _refusal(execution, feed):
        return refusal
    requests = [Request(correlation(feed.name, day, seq), day, seq) for day in days]
    unsent = request.record_requests(execution.connection, feed.name, requests)
    if unsent:
        with control.kept_open(execution.connection, feed.name) as is_open:
            if not is_open:  # a person was quicker
                return _refusal(execution, feed) or Refusal(Status.HELD, Status.HELD.sentence)
            _produce(execution, feed, publisher, [each for each in requests if each.correlation_id in unsent])
        request.record_sent(execution.connection, list(unsent))
    return len(unsent)


def _produce(execution: Execution, feed: Feed, publisher: Publisher, requests: Sequence[Request]) -> None:
    topic = feed.topic("request", execution.settings.topic_prefix)
    write_headers = headers_for(execution.connection, feed)
    for each in requests:
        envelope = Envelope(each.correlation_id, each.base_date, each.seq)
        publisher.send(topic, each.base_date.isoformat().encode(), write(feed, each), write_headers(envelope))
    publisher.confirm()


def write(feed: Feed, each: Request) -> bytes:
    """A request as a message: the feed's own shape, or ours."""
    if feed.request:
        return feed.request(each)
    body = {"correlation_id": str(each.correlation_id), "base_date": each.base_date.isoformat(), "seq": each.seq}
    return json.dumps(body).encode()


def _batches(days: Sequence[date]) -> Iterator[Sequence[date]]:
    for start in range(0, len(days), BATCH):
        yield days[start : start + BATCH]


def _status(open_days: Sequence[date], sent: int) -> Status:
    if not open_days:
        return Status.SKIPPED
    return Status.SUCCEEDED if sent else Status.ALREADY_DONE


def _outcome(
    days: Sequence[date], open_days: Sequence[date], ordered: int, sent: int, status: Status, version: str | None
) -> Outcome:
    named = days[0].isoformat() if len(days) == 1 else f"{days[0]}..{days[-1]}"
    counts = {"date": named, "ordered": sent, "already": ordered - sent, "closed": len(days) - len(open_days)}
    decided = {"calendar": version} if version else {}
    reason = f"{named} is no business day" if status is Status.SKIPPED and len(days) == 1 else None
    return Outcome(status, reason=reason, counts={**counts, **decided})
