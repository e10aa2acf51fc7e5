"""relay: requests into answers, for teams without an API solution. Requests data of the partner, writes answers, rings.

    request ─▶ known? ─▶ send ─┬─ rows       one message a row
                │ yes:         ├─ empty      one message of kind `empty`: silence always means a fault
                │ duplicate    ├─ refused    one message of kind `refused`; the run ends with 69
                └ withdrawn:   └─ none now   deferred to a time in the ledger: the checkpoint moves on, the others are
                  superseded                 answered, and a later run sends it again (`steps/partner/retries.py`)

Answers and bell are one Kafka transaction. The ledger knows it as a *batch* before it begins; the checkpoint follows.
The run after one that died between the two looks in Kafka, and records the answers that are there
(`steps/partner/batches.py`). So a partner may get a request twice, and at most one answer is ever visible.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ledger import request
from ledger.chunk import ChunkResult, SetAside, recent_bad
from steps.drain.drain import Patience, drain
from steps.drain.headers import read_headers
from steps.partner.deferral import Deferral, Withdrawn
from steps.partner.exchange import Exchange, Exchanger
from steps.partner.messages import read_request, row_count
from steps.partner.retries import retry_due
from steps.partner.sender import open_sender
from steps.run.exits import DataRefused, Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from uuid import UUID

    from catalog import Feed
    from ledger.chunk import Source
    from ledger.database import Connection
    from ledger.lease import Lease
    from steps.drain.intake import Intake
    from steps.drain.kafka import Message, Reader
    from steps.run.execution import Execution, Outcome

#: What one Kafka transaction carries at most; the next request starts another.
TRANSACTION_ROWS = 50_000
TRANSACTION_SECONDS = 10.0


def relay(execution: Execution, feed: Feed, patience: Patience | None = None) -> Outcome:
    """Answer the feed's requests, to the end: the deferred ones that are due, then those of the topic."""
    with open_sender(execution, feed) as sender:
        exchanger = Exchanger(execution, feed, sender)
        sink = Relay(execution, feed, exchanger)
        try:
            hindered = retry_due(execution, feed, exchanger)
            if hindered is None:
                return drain(execution, feed, sink, patience)
            return sink.outcome(hindered) if exchanger.report.retried else hindered
        finally:
            exchanger.batches.end()


@dataclass
class Exchanges:
    """A chunk's exchanges in order, its messages that are no request, and how many rows the answers have."""

    every: list[Exchange] = field(default_factory=list)
    no_requests: list[SetAside] = field(default_factory=list)
    seen: set[UUID] = field(default_factory=set)
    """Correlation ids that need no further request."""
    rows: int = 0


class Relay:
    """The sink of relay: one chunk becomes one Kafka transaction."""

    stage, markers, batch, shares = "relay", False, 50, False

    def __init__(self, execution: Execution, feed: Feed, exchanger: Exchanger) -> None:
        self.topic = feed.topic("request", execution.settings.topic_prefix)
        self._execution, self._feed, self._exchanger = execution, feed, exchanger

    def open(self, held: Lease, reader: Reader, sources: Mapping[int, Source]) -> None:  # noqa: ARG002 -- the sink's form
        """Fence a zombie first: then what it committed to Kafka is final, and can be looked up."""
        self._lease = held
        self._sources = {partition: source.id for partition, source in sources.items()}
        self._exchanger.batches.open(held)

    def gather(self, intake: Intake) -> None:
        """Send requests, a batch at a time, until there are rows for one transaction, or ten seconds have passed."""
        self._exchanges = Exchanges()
        until = time.monotonic() + TRANSACTION_SECONDS
        for batch in intake.batches():
            read_headers(batch)
            exchanges = [exchange for message in batch if (exchange := self._read(message))]
            self._send(exchanges, intake.beat)
            self._exchanges.rows += sum(row_count(each.answer) or 0 for each in exchanges)
            if self._exchanges.rows > TRANSACTION_ROWS or time.monotonic() > until:
                intake.end_chunk()
        self._exchanger.begin(self._exchanges.every)

    def load(self, connection: Connection, intake: Intake) -> ChunkResult:
        """Write the answers and the bell, then record them, and what is deferred."""
        self._check_budget(connection)
        self._exchanger.record(connection, self._exchanges.every)
        self._count(intake)
        return ChunkResult(self._exchanges.no_requests)

    def outcome(self, outcome: Outcome) -> Outcome:
        """Complete the counts. A refusal was answered and recorded; it still is an error that a person must see."""
        report = self._exchanger.report
        counts: dict[str, Any] = {"read": 0, "loaded": 0, "deferred": 0, **outcome.counts}
        counts["read"] += report.retried
        counts["loaded"] += report.retried - report.deferred_again
        counts["deferred"] += report.deferred_again
        told = replace(outcome, counts={**counts, "retried": report.retried})
        if outcome.exit != Exit.OK:
            return told
        deferral = self._exchanger.deferral_words(counts["deferred"])
        overtaken = f"{report.overtaken} withdrawn requests were at the partner's, and are answered"
        said = [outcome.reason, *report.errors[:3], overtaken if report.overtaken else None, deferral]
        reason = "; ".join(words for words in said if words)
        return replace(told, code=Exit.PARTNER if report.errors else None, reason=reason or None)

    def _read(self, message: Message) -> Exchange | None:
        try:
            return Exchange(read_request(message), message)
        except ValueError as error:
            self._set_aside(message, str(error).split("\n", 1)[0])
            return None

    def _set_aside(self, message: Message, reason: str) -> None:
        aside = _set_aside(self._sources[message.partition()], message, f"not a request: {reason}")
        self._exchanges.no_requests.append(aside)

    def _send(self, exchanges: Sequence[Exchange], beat: Callable[[], None]) -> None:
        """Send what nobody has sent before, in the order of the topic."""
        work, fresh = self._exchanges, []
        for each in self._own(exchanges):
            work.every.append(each)
            if each.request.correlation_id not in work.seen:
                work.seen.add(each.request.correlation_id)
                fresh.append(each)
        self._exchanger.send(fresh, beat)

    def _own(self, exchanges: Sequence[Exchange]) -> Iterator[Exchange]:
        """Those of this feed. What the ledger knows as answered, deferred to its time or withdrawn is seen before."""
        ids = [each.request.correlation_id for each in exchanges]
        known = request.fetch_known(self._execution.connection, self._feed.name, ids)
        self._exchanges.seen |= {each for each, found in known.items() if found.feed == self._feed.name}
        for each in exchanges:
            found = known.get(each.request.correlation_id)
            if found and found.feed != self._feed.name:
                self._set_aside(each.origin, f"its correlation id belongs to a request of feed {found.feed}")
                continue
            if found and found.withdrawn:
                each.result = Withdrawn()
            yield each

    def _check_budget(self, connection: Connection) -> None:
        """The database keeps them whole: the budget is of messages, and of their bytes. Raises DataRefused."""
        bad = self._exchanges.no_requests
        if not bad:
            return
        recent, feed = recent_bad(connection, self._lease.key), self._feed
        many = len(bad) + recent.rows > feed.max_bad
        if many or sum(each.size for each in bad) + recent.bytes > feed.max_bad_bytes:
            much = f"{feed.max_bad}" if many else f"{feed.max_bad_bytes:,} bytes of"
            raise DataRefused(f"more than {much} messages of {self.topic} are no request; the last: {bad[-1].reason}")

    def _count(self, intake: Intake) -> None:
        by_source = {span.source: span.fates for span in intake.moved_spans()}
        for each in self._exchanges.every:
            fates = by_source[self._sources[each.origin.partition()]]
            fates.read += 1
            if each.result is None:
                fates.duplicate += 1
            elif isinstance(each.result, Withdrawn):
                fates.superseded += 1
            elif isinstance(each.result, Deferral):
                fates.deferred += 1
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
