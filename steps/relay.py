"""relay: requests into answers, for teams without an API solution. Asks the partner, writes its answers and one bell.

    request ─▶ asked before? ─▶ ask ─┬─ rows      one message a row
                  │ yes: duplicate   ├─ empty     one message of kind `empty`: silence always means a fault
                                     ├─ refused   one message of kind `refused`; the run ends with 69
                                     ├─ quota     nothing is written, nothing moves; asked again when the partner allows
                                     └─ transient likewise; exit 75

Answers, bell and the group's offsets are one Kafka transaction; the ledger's checkpoint follows. A relay that died
between the two left the group's offsets ahead of the checkpoint: its successor books those requests as answered and
does not ask again. So a partner may be asked twice, and at most one answer is ever visible.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID  # noqa: TC003 -- pydantic reads the annotations of Body
from zoneinfo import ZoneInfo

import httpx
import stamina
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from catalog import BaseDate, Envelope, Kind, Unreadable
from catalog.partner import Answer, Empty, Malformed, Partner, Quota, Refused, Request, Rows
from ledger import control, request
from ledger.chunk import ChunkResult, SetAside, recent_bad
from ledger.database import commit
from steps.drain.drain import Patience, drain
from steps.drain.kafka import Cluster, Publisher, Reader
from steps.run.exits import DataRefused, Exit, Misconfigured, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from catalog import Feed
    from ledger.chunk import Source
    from ledger.database import Connection
    from ledger.lease import Lease
    from steps.drain.intake import Intake
    from steps.drain.kafka import Message
    from steps.run.execution import Execution, Outcome

#: What a partner is given, in seconds; a drain has thirty minutes, a request must not take them.
TIMEOUTS = httpx.Timeout(20.0, connect=5.0)
ATTEMPTS = 4
#: What one Kafka transaction carries at most; the next request starts another.
TRANSACTION_ROWS = 50_000
TRANSACTION_SECONDS = 10.0
#: A partner's Retry-After is believed for a day.
LONGEST_WAIT = timedelta(days=1)
#: librdkafka's own default of message.max.bytes, less what headers and framing take.
LARGEST = 990_000

Written = tuple[bytes | None, bytes, list[tuple[str, bytes]]]


class Body(TypedDict):
    """Our own form of a request's value."""

    correlation_id: UUID
    base_date: BaseDate
    seq: Annotated[int, Field(ge=1, lt=2**31)]


def relay(execution: Execution, feed: Feed, shard: int = 0, patience: Patience | None = None) -> Outcome:
    """Answer the feed's requests, to the end."""
    assert feed.partner is not None  # noqa: S101 -- the door has looked
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its INFO line prints the whole URL, keys included
    stamina.instrumentation.set_on_retry_hooks([])  # likewise: they print the error, and that its URL
    adapter = import_module(feed.partner)
    url = execution.settings.partner_urls.get(feed.partner.rsplit(".", 1)[-1], adapter.URL)
    pace = Pace(feed.per_second)
    with httpx.Client(base_url=url, timeout=TIMEOUTS, event_hooks={"request": [lambda _: pace.wait()]}) as client:
        asking = Asking(adapter.partner(client, execution.now()), feed.concurrency, execution.stop)
        sink = Relay(execution, feed, shard, asking)
        try:
            return drain(execution, feed, sink, shard, patience)
        finally:
            asking.close()
            sink.close()


@dataclass
class Task:
    """One request on its way: where it came from, and its answer; None: somebody has answered it before."""

    message: Message
    request: Request
    answer: Answer | None = None


@dataclass
class Gathered:
    """A chunk's requests in order, those that are none, and how many rows their answers hold."""

    tasks: list[Task] = field(default_factory=list)
    kept: list[SetAside] = field(default_factory=list)
    asked: set[UUID] = field(default_factory=set)
    rows: int = 0


class Relay:
    """The sink of relay: one chunk becomes one Kafka transaction."""

    stage, markers, batch = "relay", False, 50

    def __init__(self, execution: Execution, feed: Feed, shard: int, asking: Asking) -> None:
        settings = execution.settings
        self.topic, self._response, self._bell = (
            feed.topic(kind, settings.topic_prefix) for kind in ("request", "response", "bell")
        )
        self._execution, self._feed, self._asking = execution, feed, asking
        self._transactional_id = f"{settings.domain}.{settings.topic_prefix}{feed.name}.relay.{shard}"
        self._publisher: Publisher | None = None
        self._group: Reader | None = None
        self._refused: list[str] = []

    def open(self, held: Lease, reader: Reader, sources: Mapping[int, Source]) -> None:  # noqa: ARG002 -- the sink's form
        """Fence a zombie first: what it committed to Kafka is then settled, and the group's offsets tell."""
        settings = self._execution.settings
        self._lease = held
        self._sources = {partition: source.id for partition, source in sources.items()}
        if self._publisher is None or self._group is None:
            wanted = [self._response, self._bell] if self._feed.rings else [self._response]
            missing = set(wanted) - set(Cluster(settings).topics(wanted))
            if missing:
                raise Misconfigured(f"topic {', '.join(sorted(missing))} does not exist: create it")
            self._publisher = Publisher(settings, self._transactional_id)
            self._group = Reader(settings, self.topic, f"{self._transactional_id}.answered")
        self._answered_to = self._group.group_offsets(sources)

    def close(self) -> None:
        for client in (self._publisher, self._group):
            if client:
                client.close()

    def gather(self, intake: Intake) -> None:
        """Ask, a batch at a time, until an answer's worth of rows or ten seconds are together."""
        self._gathered = Gathered()
        until = time.monotonic() + TRANSACTION_SECONDS
        for batch in intake.batches():
            tasks = [task for message in batch if (task := self._take(message))]
            self._ask(tasks)
            self._gathered.tasks += tasks
            self._gathered.rows += sum(_count(task.answer) or 0 for task in tasks)
            if self._gathered.rows > TRANSACTION_ROWS or time.monotonic() > until:
                intake.fill()

    def load(self, connection: Connection, intake: Intake) -> ChunkResult:
        """Write the answers and the bell, then book them."""
        bad = self._gathered.kept
        if bad and len(bad) + recent_bad(connection, self._lease.key) > self._feed.max_bad:
            allowed = self._feed.max_bad
            raise DataRefused(
                f"more than {allowed} messages of {self.topic} are no request; the last: {bad[-1].reason}"
            )
        written = [(task, self._write(task.request, task.answer)) for task in self._gathered.tasks if task.answer]
        if written and self._publisher and self._group:
            with self._publisher.transaction(intake.position(), self._group):
                for _, messages in written:
                    for key, value, headers in messages:
                        self._publisher.send(self._response, key, value, headers)
                if self._feed.rings:
                    self._publisher.send(self._bell, None, self._ring(len(written)))
        answers = {  # one a correlation id, and the answered one if there is one
            task.request.correlation_id: (task.request, _count(task.answer))
            for task in sorted(self._gathered.tasks, key=lambda t: bool(t.answer))
        }
        request.record_answered(connection, self._feed.name, list(answers.values()))
        self._book(intake)
        return ChunkResult(self._gathered.kept)

    def outcome(self, outcome: Outcome) -> Outcome:
        """A refusal was answered and settled; it still is an error that somebody must see."""
        if self._refused and outcome.exit == Exit.OK:
            return replace(outcome, code=Exit.PARTNER, reason="; ".join(self._refused[:3]))
        return outcome

    def _take(self, message: Message) -> Task | None:
        try:
            return Task(message, read(message))
        except ValueError as error:
            reason = "not a request: " + str(error).split("\n", 1)[0]
            self._gathered.kept.append(_kept(self._sources[message.partition()], message, reason))
            return None

    def _ask(self, tasks: Sequence[Task]) -> None:
        """Ask for what nobody has answered yet: in the ledger, in Kafka, or in this very chunk."""
        connection, asked = self._execution.connection, self._gathered.asked
        asked |= request.fetch_answered(connection, [task.request.correlation_id for task in tasks])
        fresh = []
        for task in tasks:
            if task.message.offset() >= self._answered_to.get(task.message.partition(), 0):
                if task.request.correlation_id not in asked:
                    fresh.append(task)
                asked.add(task.request.correlation_id)
        for task, answer in zip(fresh, self._asking.ask([task.request for task in fresh]), strict=True):
            if isinstance(answer, Quota):
                self._wait(answer)
            if isinstance(answer, Empty) and not answer.expected and self._is_early(task.request):
                raise Transient(
                    f"{answer.reason}; due by {self._feed.due:%H:%M} {self._feed.zone}, asked again until then"
                )
            task.answer = answer

    def _is_early(self, each: Request) -> bool:
        """Before the feed's due time a partner that has nothing yet is only late."""
        due = datetime.combine(each.base_date, self._feed.due, ZoneInfo(self._feed.zone))
        return self._execution.now() < due

    def _wait(self, quota: Quota) -> None:
        if quota.retry_at:
            until = min(quota.retry_at, self._execution.now() + LONGEST_WAIT)
            control.wait(self._execution.connection, self._feed.name, until, quota.reason)
            commit(self._execution.connection)
        raise Transient(f"the partner's quota is used up: {quota.reason}; nothing was lost, asked again later")

    def _write(self, each: Request, answer: Answer | None) -> list[Written]:
        """An answer as messages."""
        envelope = Envelope(each.correlation_id, each.base_date, each.seq)
        if isinstance(answer, Rows):
            headers = replace(envelope, count=len(answer.rows)).headers()
            messages = [(self._key(row), json.dumps(row, default=str).encode(), headers) for row in answer.rows]
            largest = max(len(value) for _, value, _ in messages)
            if largest < LARGEST:
                return messages
            answer = Malformed(f"a row of {largest} bytes is larger than a message may be")
        kind, reason = (Kind.EMPTY, answer.reason) if isinstance(answer, Empty) else (Kind.REFUSED, _why(answer))
        if kind is Kind.REFUSED or (isinstance(answer, Empty) and not answer.expected):
            self._refused.append(f"{each.base_date}: {reason}")
        headers = replace(envelope, kind=kind, count=0, reason=reason[:500]).headers()
        return [(str(each.base_date).encode(), b"{}", headers)]

    def _key(self, row: Mapping[str, Any]) -> bytes | None:
        return "|".join(str(row.get(name)) for name in self._feed.key).encode() if self._feed.key else None

    def _ring(self, responses: int) -> bytes:
        return json.dumps({"feed": self._feed.name, "responses": responses, "run": self._lease.run}).encode()

    def _book(self, intake: Intake) -> None:
        by_source = {span.source: span.fates for span in intake.taken()}
        for task in self._gathered.tasks:
            fates = by_source[self._sources[task.message.partition()]]
            fates.read += 1
            if task.answer is None:
                fates.duplicate += 1
            else:
                fates.loaded += 1
        for kept in self._gathered.kept:
            by_source[kept.source].read += 1
            by_source[kept.source].quarantined += 1


def read(message: Message) -> Request:
    """A request by its headers, or by its body. Raises ValueError."""
    value = message.value()
    if value is None:
        raise Unreadable("the message has no value (null)")
    envelope = Envelope.of(message.headers())
    if envelope.correlation_id and envelope.base_date:
        return Request(envelope.correlation_id, envelope.base_date, envelope.seq or 1)
    body = TypeAdapter(Body).validate_json(value)
    return Request(body["correlation_id"], date.fromisoformat(body["base_date"]), body["seq"])


class Asking:
    """Asks a partner: so many requests at once, each again after outside trouble."""

    def __init__(self, partner: Partner, concurrency: int, stop: threading.Event) -> None:
        self._partner, self._stop = partner, stop
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="ask")

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """Ask for each; answers in their order. Raises Transient when one cannot be had now."""
        return list(self._pool.map(self._one, requests))

    def _one(self, each: Request) -> Answer:
        try:
            for attempt in stamina.retry_context(on=_is_transient, attempts=ATTEMPTS, timeout=60.0, wait_initial=0.2):
                with attempt:
                    if self._stop.is_set():
                        raise Transient("stopped before every request was asked; nothing moved")
                    return self._partner.ask(each)
        except httpx.HTTPStatusError as error:
            raise Transient(
                f"the partner answered {error.response.status_code} {ATTEMPTS} times; asked again later"
            ) from None
        except httpx.HTTPError as error:
            raise Transient(f"the partner is out of reach ({type(error).__name__}); asked again later") from None
        raise AssertionError("unreachable")

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


class Pace:
    """At most so many calls a second, over all threads."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap, self._clock, self._next, self._lock = 1 / per_second, clock, 0.0, threading.Lock()

    def wait(self) -> None:
        with self._lock:
            at = max(self._next, self._clock())
            self._next = at + self._gap
        time.sleep(max(0.0, at - self._clock()))


def _is_transient(error: Exception) -> bool:
    """Worth asking again: a broken connection, a time-out, or a server's own fault."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
    return isinstance(error, httpx.TransportError)


def _count(answer: Answer | None) -> int | None:
    return None if answer is None else len(answer.rows) if isinstance(answer, Rows) else 0


def _why(answer: Answer | None) -> str:
    if isinstance(answer, Malformed):
        return f"malformed answer: {answer.reason}"
    return answer.reason if isinstance(answer, Refused | Quota | Empty) else "no answer"


def _kept(source: int, message: Message, reason: str) -> SetAside:
    return SetAside(
        source=source,
        offset=message.offset(),
        row=-1,
        reason=reason,
        key=message.key(),
        value=message.value(),
        headers=message.headers() or [],
        sent_at=message.timestamp()[1],
    )
