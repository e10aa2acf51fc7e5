"""relay: requests into answers, for teams without an API solution. Requests data of the partner, writes answers, rings.

    request ─▶ answered before? ─▶ send ─┬─ rows      one message a row
                  │ yes: duplicate       ├─ empty     one message of kind `empty`: silence always means a fault
                                         ├─ refused   one message of kind `refused`; the run ends with 69
                                         ├─ quota     nothing is written, nothing moves; sent again when allowed
                                         └─ transient likewise; exit 75

Answers, bell and the group's offsets are one Kafka transaction; the ledger's checkpoint follows. A relay that died
between the two left the group's offsets ahead of the checkpoint: its successor records those requests as answered and
does not send them again. So a partner may get a request twice, and at most one answer is ever visible.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from catalog.partner import Empty, Quota
from ledger import control, request
from ledger.chunk import ChunkResult, SetAside, recent_bad
from ledger.database import commit
from steps.drain.drain import Patience, drain
from steps.drain.headers import read_headers
from steps.drain.kafka import Cluster, Reader
from steps.drain.publisher import Publisher
from steps.partner.messages import read_request, row_count, write_answer
from steps.partner.sender import open_sender
from steps.run.exits import DataRefused, Exit, Misconfigured, Transient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from catalog import Feed
    from catalog.partner import Answer, Request
    from ledger.chunk import Source
    from ledger.database import Connection
    from ledger.lease import Lease
    from steps.drain.intake import Intake
    from steps.drain.kafka import Message
    from steps.partner.messages import AnswerRecords
    from steps.partner.sender import RequestSender
    from steps.run.execution import Execution, Outcome

#: What one Kafka transaction carries at most; the next request starts another.
TRANSACTION_ROWS = 50_000
TRANSACTION_SECONDS = 10.0
#: A partner's Retry-After is believed for a day.
LONGEST_WAIT = timedelta(days=1)


def relay(execution: Execution, feed: Feed, patience: Patience | None = None) -> Outcome:
    """Answer the feed's requests, to the end."""
    with open_sender(execution, feed) as sender:
        sink = Relay(execution, feed, sender)
        try:
            return drain(execution, feed, sink, patience)
        finally:
            sink.close()


@dataclass
class Exchange:
    """One request and where it came from, and its answer; None: it was answered before."""

    message: Message
    request: Request
    answer: Answer | None = None


@dataclass
class Exchanges:
    """A chunk's exchanges in order, its messages that are no request, and how many rows the answers have."""

    every: list[Exchange] = field(default_factory=list)
    no_requests: list[SetAside] = field(default_factory=list)
    known: set[UUID] = field(default_factory=set)
    """Correlation ids that need no further request."""
    rows: int = 0


class Relay:
    """The sink of relay: one chunk becomes one Kafka transaction."""

    stage, markers, batch, shares = "relay", False, 50, False

    def __init__(self, execution: Execution, feed: Feed, sender: RequestSender) -> None:
        settings = execution.settings
        self.topic, self._response, self._bell = (
            feed.topic(kind, settings.topic_prefix) for kind in ("request", "response", "bell")
        )
        self._execution, self._feed, self._sender = execution, feed, sender
        self._transactional_id = f"{settings.domain}.{settings.topic_prefix}{feed.name}.relay.0"
        self._publisher: Publisher | None = None
        self._group: Reader | None = None
        self._errors: list[str] = []

    def open(self, held: Lease, reader: Reader, sources: Mapping[int, Source]) -> None:  # noqa: ARG002 -- the sink's form
        """Fence a zombie first: then what it committed to Kafka is final, and the group's offsets say what that is."""
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
        """Send requests, a batch at a time, until there are rows for one transaction, or ten seconds have passed."""
        self._exchanges = Exchanges()
        until = time.monotonic() + TRANSACTION_SECONDS
        for batch in intake.batches():
            read_headers(batch)
            exchanges = [exchange for message in batch if (exchange := self._read(message))]
            self._send(exchanges)
            self._exchanges.every += exchanges
            self._exchanges.rows += sum(row_count(each.answer) or 0 for each in exchanges)
            if self._exchanges.rows > TRANSACTION_ROWS or time.monotonic() > until:
                intake.end_chunk()

    def load(self, connection: Connection, intake: Intake) -> ChunkResult:
        """Write the answers and the bell, then record them."""
        self._check_budget(connection)
        every = self._exchanges.every
        self._write([write_answer(self._feed, each.request, each.answer) for each in every if each.answer], intake)
        answers = {  # one a correlation id, and the answered one if there is one
            each.request.correlation_id: (each.request, row_count(each.answer))
            for each in sorted(every, key=lambda each: bool(each.answer))
        }
        request.record_answered(connection, self._feed.name, list(answers.values()))
        self._count(intake)
        return ChunkResult(self._exchanges.no_requests)

    def outcome(self, outcome: Outcome) -> Outcome:
        """A refusal was answered and recorded; it still is an error that a person must see."""
        if self._errors and outcome.exit == Exit.OK:
            return replace(outcome, code=Exit.PARTNER, reason="; ".join(self._errors[:3]))
        return outcome

    def _read(self, message: Message) -> Exchange | None:
        try:
            return Exchange(message, read_request(message))
        except ValueError as error:
            reason = "not a request: " + str(error).split("\n", 1)[0]
            self._exchanges.no_requests.append(_set_aside(self._sources[message.partition()], message, reason))
            return None

    def _send(self, exchanges: Sequence[Exchange]) -> None:
        """Send what has no answer yet: in the ledger, in Kafka, or in this very chunk."""
        connection, known = self._execution.connection, self._exchanges.known
        known |= request.fetch_answered(connection, [each.request.correlation_id for each in exchanges])
        # What the group's offsets say is answered is known too: pub may have repeated it after a crash of its own.
        known |= {each.request.correlation_id for each in exchanges if self._is_answered(each.message)}
        fresh = []
        for each in exchanges:
            if each.request.correlation_id not in known:
                fresh.append(each)
                known.add(each.request.correlation_id)
        for each, answer in zip(fresh, self._sender.send([each.request for each in fresh]), strict=True):
            if isinstance(answer, Quota):
                self._wait(answer)
            if isinstance(answer, Empty) and not answer.expected and self._is_early(each.request):
                raise Transient(
                    f"{answer.reason}; due by {self._feed.due:%H:%M} {self._feed.zone}, requested again until then"
                )
            each.answer = answer

    def _is_answered(self, message: Message) -> bool:
        """Did a run before this one commit its answer to Kafka, though it died before the ledger knew?"""
        return message.offset() < self._answered_to.get(message.partition(), 0)

    def _is_early(self, each: Request) -> bool:
        """Before the feed's due time a partner that has nothing yet is only late."""
        due = datetime.combine(each.base_date, self._feed.due, ZoneInfo(self._feed.zone))
        return self._execution.now() < due

    def _wait(self, quota: Quota) -> None:
        if quota.retry_at:
            until = min(quota.retry_at, self._execution.now() + LONGEST_WAIT)
            control.wait(self._execution.connection, self._feed.name, until, quota.reason)
            commit(self._execution.connection)
        raise Transient(f"the partner's quota is used up: {quota.reason}; nothing was lost, requested again later")

    def _check_budget(self, connection: Connection) -> None:
        bad, allowed = self._exchanges.no_requests, self._feed.max_bad
        if bad and len(bad) + recent_bad(connection, self._lease.key).rows > allowed:
            raise DataRefused(
                f"more than {allowed} messages of {self.topic} are no request; the last: {bad[-1].reason}"
            )

    def _write(self, responses: Sequence[AnswerRecords], intake: Intake) -> None:
        """Responses, bell and the group's offsets: one transaction."""
        if not responses or not self._publisher or not self._group:
            return
        with self._publisher.transaction(intake.position(), self._group):
            for response in responses:
                for key, value, headers in response.records:
                    self._publisher.send(self._response, key, value, headers)
            if self._feed.rings:
                bell = {"feed": self._feed.name, "responses": len(responses), "run": self._lease.run}
                self._publisher.send(self._bell, None, json.dumps(bell).encode())
        self._errors += [response.error for response in responses if response.error]

    def _count(self, intake: Intake) -> None:
        by_source = {span.source: span.fates for span in intake.moved_spans()}
        for each in self._exchanges.every:
            fates = by_source[self._sources[each.message.partition()]]
            fates.read += 1
            if each.answer is None:
                fates.duplicate += 1
            else:
                fates.loaded += 1
        for aside in self._exchanges.no_requests:
            by_source[aside.source].read += 1
            by_source[aside.source].quarantined += 1


def _set_aside(source: int, message: Message, reason: str) -> SetAside:
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
