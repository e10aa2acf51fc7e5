"""relay's Kafka transactions, each recorded in the ledger before it begins.

    begin ─▶ the batch is committed ─▶ write: responses and bell in one transaction ─▶ close, with the chunk
      └──────────── a run that dies here leaves the batch open ────────────┘
    the next run: end that run's transaction (its transactional id) ─▶ read the response topic from where it ended
                  when the batch began ─▶ close: the answers that are visible, and no others

What is not visible is open again: it is sent to the partner once more. Where the response topic was made anew
meanwhile, all of it is read: the old one's answers are gone, and whatever sub had loaded of them it has recorded.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog import Envelope
from catalog.message import Unreadable
from catalog.partner import Request
from ledger import lease, request
from ledger.batch import close_batch, fetch_open, open_batch
from ledger.database import commit
from ledger.errors import translated
from steps.drain.headers import read_headers
from steps.drain.kafka import Cluster
from steps.drain.publisher import Publisher
from steps.run.exits import Misconfigured, Transient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from catalog import Feed
    from ledger.batch import Batch
    from ledger.database import Connection
    from ledger.lease import Lease
    from steps.drain.kafka import Message
    from steps.partner.messages import AnswerRecords
    from steps.run.execution import Execution

#: Seconds without progress after which another publisher's open transaction is no longer waited for.
PATIENCE = 10.0


class Batches:
    """One run's transactions, under one transactional id."""

    def __init__(self, execution: Execution, feed: Feed, shard: int) -> None:
        settings = execution.settings
        self._execution, self._feed = execution, feed
        self._response, self._bell = (feed.topic(kind, settings.topic_prefix) for kind in ("response", "bell"))
        self.transactional_id = f"{settings.domain}.{settings.topic_prefix}{feed.name}.relay.{shard}"
        self._publisher: Publisher | None = None
        self._open: Batch | None = None

    def open(self, held: Lease) -> None:
        """Fence every earlier run, and close what it left open. Called each time that the lease is taken."""
        self._lease, self._cluster = held, Cluster(self._execution.settings)
        if self._publisher is None:
            wanted = [self._response, self._bell] if self._feed.rings else [self._response]
            missing = set(wanted) - set(self._cluster.topics(wanted))
            if missing:
                raise Misconfigured(f"topic {', '.join(sorted(missing))} does not exist: create it")
            self._publisher = Publisher(self._execution.settings, self.transactional_id)
        for batch in fetch_open(self._execution.connection, held):
            self._close_left_open(batch)
        self._open = None

    def begin(self, ids: Sequence[UUID]) -> None:
        """Commit the batch whose answers are going to be written."""
        connection, topic = self._execution.connection, self._cluster.topic(self._response)
        marks = self._cluster.watermarks(topic)
        ends = [marks[partition].high for partition in topic.partitions]
        with translated():
            lease.guard(connection, self._lease)
            self._open = open_batch(connection, self._lease, self.transactional_id, topic.name, topic.id, ends, ids)
        commit(connection)

    def write(self, responses: Sequence[AnswerRecords]) -> None:
        """Responses and bell, in one transaction."""
        assert self._publisher  # noqa: S101 -- `open` was called
        with self._publisher.transaction():
            for response in responses:
                for key, value, headers in response.records:
                    self._publisher.send(self._response, key, value, headers)
            if self._feed.rings:
                bell = {"feed": self._feed.name, "responses": len(responses), "run": self._lease.run}
                self._publisher.send(self._bell, None, json.dumps(bell).encode())

    def close(self, connection: Connection, answers: Sequence[tuple[Request, int | None]]) -> None:
        """All of it is visible. The caller commits."""
        assert self._open  # noqa: S101 -- `begin` was called
        close_batch(connection, self._lease, self._open, [each.correlation_id for each, _ in answers])
        request.record_answered(connection, self._feed.name, answers)

    def end(self) -> None:
        """Close the producer."""
        if self._publisher:
            self._publisher.close()

    def _close_left_open(self, batch: Batch) -> None:
        """Record the answers of a dead run that Kafka has, and no others."""
        if batch.transactional_id != self.transactional_id:  # the domain or the prefix was changed since
            Publisher(self._execution.settings, batch.transactional_id).close()
        answers = visible_answers(self._execution, self._cluster, batch)
        connection = self._execution.connection
        with translated():
            lease.guard(connection, self._lease)
            close_batch(connection, self._lease, batch, answers)
            request.record_answered(connection, self._feed.name, list(answers.values()))
        commit(connection)


def visible_answers(execution: Execution, cluster: Cluster, batch: Batch) -> dict[UUID, tuple[Request, int | None]]:
    """A batch's answers that a reader of committed records sees: correlation id → (request, rows of its response)."""
    wanted, found = set(batch.ids), {}
    for message in _written_since(execution, cluster, batch):
        try:
            envelope = Envelope.of(message.headers())
        except Unreadable:
            continue  # not ours
        known = envelope.correlation_id
        if known in wanted and known not in found and envelope.base_date:
            found[known] = (Request(known, envelope.base_date, envelope.seq or 1), envelope.count)
            if len(found) == len(wanted):
                break
    return found


@dataclass(frozen=True)
class Stretch:
    """What is read of a topic: from where, and to its ends of now, records of open transactions included."""

    start: Mapping[int, int]
    ends: Mapping[int, int]

    def is_read(self, position: Mapping[int, int]) -> bool:
        return all(position[partition] >= end for partition, end in self.ends.items())


def _written_since(execution: Execution, cluster: Cluster, batch: Batch) -> Iterator[Message]:
    """Committed messages of the response topic since the batch began. Raises Transient where one may be hidden."""
    stretch = _stretch(cluster, batch)
    if not stretch or stretch.is_read(stretch.start):
        return
    group = f"{execution.settings.domain}.batches"  # committed by nobody
    with closing(cluster.reader(batch.topic, group)) as reader:
        reader.assign(stretch.start)
        moved, position = time.monotonic(), dict(stretch.start)
        while not stretch.is_read(position):
            messages = reader.read()
            read_headers(messages)
            yield from messages
            before, position = position, reader.positions()
            if position != before:
                moved = time.monotonic()
            elif time.monotonic() - moved > PATIENCE or execution.stop.is_set():
                raise Transient(
                    f"a transaction on {batch.topic} is still open, and hides whether batch {batch.id} was answered; "
                    "the next run looks again"
                )


def _stretch(cluster: Cluster, batch: Batch) -> Stretch | None:
    """From where the topic ended then; all of it where it was made anew or lost its tail; None: it is gone."""
    topic = cluster.topics([batch.topic]).get(batch.topic)
    if topic is None:
        return None
    marks = cluster.watermarks(topic)
    then = dict(enumerate(batch.ends)) if topic.id == batch.topic_id else {}
    start = {
        partition: max(mark.low, end) if (end := then.get(partition, 0)) <= mark.high else mark.low
        for partition, mark in marks.items()
    }
    return Stretch(start, {partition: mark.high for partition, mark in marks.items()})
