"""Requests and what came back: sent, judged, written and recorded. Used for messages and for deferred ones.

send ─▶ judge ─┬─ an answer ─▶ begin (the batch is committed) ─▶ record: Kafka's transaction, then the ledger's
               └─ a deferral ──────────────────────────────────▶ record
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ledger import control, request
from ledger.database import rollback
from steps.partner.batches import Batches
from steps.partner.deferral import Attempt, Deferral, Withdrawn, judge
from steps.partner.messages import headers_for, row_count, write_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

    from catalog import Feed
    from catalog.partner import Answer, Request
    from ledger.database import Connection
    from steps.drain.kafka import Message
    from steps.partner.sender import RequestSender
    from steps.run.execution import Execution


#: Seconds between two looks whether a request was withdrawn meanwhile.
LOOK = 1.0


@dataclass
class Exchange:
    """One request, where it came from, and what came back; None: it was not sent, for it is known."""

    request: Request
    message: Message | None = None
    """None: it was deferred before, and comes from the ledger."""
    attempt: Attempt = field(default_factory=Attempt)
    result: Answer | Deferral | Withdrawn | None = None

    @property
    def origin(self) -> Message:
        """The message of one that was read from the topic."""
        assert self.message is not None  # noqa: S101 -- relay reads them
        return self.message

    @property
    def answer(self) -> Answer | None:
        return None if isinstance(self.result, Deferral | Withdrawn) else self.result


@dataclass
class Report:
    """What the RESULT line says beside the counts of messages."""

    retried: int = 0
    """Deferred requests that were sent again."""
    deferred_again: int = 0
    overtaken: int = 0
    """Answers to requests that were withdrawn while the partner was asked."""
    errors: list[str] = field(default_factory=list)
    """Answers that a person must look at."""
    next: Deferral | None = None
    """The deferral that ends first."""


class Exchanger:
    """Sends a run's requests and records what came back."""

    def __init__(self, execution: Execution, feed: Feed, sender: RequestSender) -> None:
        self._execution, self._feed, self._sender = execution, feed, sender
        self.batches = Batches(execution, feed)
        self.report = Report()

    def send(self, exchanges: Sequence[Exchange], beat: Callable[[], None]) -> None:
        """Send each that is not withdrawn meanwhile; its result is an answer, or until when it is deferred."""
        look = self._withdrawals([each.request.correlation_id for each in exchanges])
        answers = self._sender.send([each.request for each in exchanges], beat, look)
        now = self._execution.now()
        for each, answer in zip(exchanges, answers, strict=True):
            if isinstance(answer, Withdrawn):
                each.result = answer
            else:
                each.result = judge(self._feed, each.request, each.attempt, answer, now)

    def _withdrawals(self, ids: Sequence[UUID]) -> Callable[[], set[UUID]]:
        """Which of them are withdrawn: asked once a second, while others are at the partner's."""
        found: set[UUID] = set()
        asked_at = time.monotonic()

        def look() -> set[UUID]:
            nonlocal found, asked_at
            if time.monotonic() - asked_at >= LOOK:
                found, asked_at = request.fetch_withdrawn(self._execution.connection, ids), time.monotonic()
                rollback(self._execution.connection)
            return found

        return look

    def begin(self, exchanges: Iterable[Exchange]) -> None:
        """Commit the batch of those that are answered, if there are any. Outside the chunk's transaction."""
        ids: list[UUID] = [each.request.correlation_id for each in exchanges if each.answer]
        if ids:
            self.batches.begin(ids)

    def record(self, connection: Connection, exchanges: Sequence[Exchange]) -> None:
        """Write the answers to Kafka, and record them and the deferrals. The caller has guarded, and commits."""
        answered = [(each.request, each.answer) for each in exchanges if each.answer]
        if answered:
            write = headers_for(connection, self._feed)
            responses = [write_answer(self._feed, each, answer, write) for each, answer in answered]
            self.batches.write(responses)
            self.batches.close(connection, [(each, row_count(answer)) for each, answer in answered])
            self.report.errors += [response.error for response in responses if response.error]
            ids = [each.correlation_id for each, _ in answered]
            self.report.overtaken += len(request.fetch_withdrawn(connection, ids))
        self._defer(connection, exchanges)

    def _defer(self, connection: Connection, exchanges: Sequence[Exchange]) -> None:
        deferrals = [(each, each.result) for each in exchanges if isinstance(each.result, Deferral)]
        if not deferrals:
            return
        lines = [(each.request, deferral.until, deferral.reason) for each, deferral in deferrals]
        request.record_deferred(connection, self._feed.name, lines, self._execution.now())
        quotas = [deferral for _, deferral in deferrals if deferral.for_all]
        if quotas:
            longest = max(quotas, key=lambda each: each.until)
            control.wait(connection, self._feed.name, longest.until, longest.reason)
        known = [self.report.next] if self.report.next else []
        self.report.next = min([*known, *(deferral for _, deferral in deferrals)], key=lambda each: each.until)

    def deferral_words(self, count: int) -> str | None:
        """How many requests this run deferred, until when the first of them, and why."""
        if not self.report.next:
            return None
        until = self.report.next.until.astimezone(ZoneInfo(self._feed.zone))
        return f"deferred {count}, the first until {until:%Y-%m-%d %H:%M:%S %Z}: {self.report.next.reason}"
