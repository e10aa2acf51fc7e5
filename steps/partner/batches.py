"""relay's Kafka transactions, each recorded in the ledger before it begins.

    begin ─▶ the batch is committed ─▶ write: responses and bell in one transaction ─▶ close, with the chunk
      └──────────── a run that dies here leaves the batch open ────────────┘
    the next run: end that run's transaction (its transactional id) ─▶ read the response topic from where it ended
                  when the batch began ─▶ close: the answers that are visible, and no others

What is not visible is open again: it is sent to the partner once more. Where the response topic was made anew
meanwhile, all of it is read: the old one's answers are gone, and whatever sub had loaded of them it has recorded.

A ledger may know less than that: a backup was restored, or the last relay was of a version without batches. So before
a run sends anything, it reads what lies behind the last batch and behind sub's checkpoint, and records those answers.
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
from ledger.batch import close_batch, fetch_open, known_to, open_batch
from ledger.database import commit
from ledger.errors import translated
from steps.drain.headers import by_headers
from steps.drain.kafka import Cluster
from steps.drain.publisher import Publisher
from steps.run.exits import Misconfigured, Transient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from catalog import Feed
    from catalog.message import Headers
    from ledger.batch import Batch
    from ledger.database import Connection
    from ledger.lease import Lease
    from steps.drain.kafka import Watermarks
    from steps.partner.messages import AnswerRecords
    from steps.run.execution import Execution

#: Seconds without progress after which another publisher's open transaction is no longer waited for.
PATIENCE = 10.0


class Batches:
    """One run's transactions, under one transactional id."""

    def __init__(self, execution: Execution, feed: Feed) -> None:
        settings = execution.settings
        self._execution, self._feed = execution, feed
        self._response, self._bell = (feed.topic(kind, settings.topic_prefix) for kind in ("response", "bell"))
        self.transactional_id = f"{settings.domain}.{settings.topic_prefix}{feed.name}.relay.0"
        self._publisher: Publisher | None = None
        self._open: Batch | None = None
        self._is_up_to_date = False
        """Does the ledger know every answer that was visible when this run began?"""

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
        if not self._is_up_to_date:
            self._catch_up()
        self._open, self._is_up_to_date = None, True

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
        stretch = since(self._cluster, batch)
        visible, ids = self._visible(batch.topic, stretch), set(batch.ids)
        answers = {known: each for known, each in visible.items() if known in ids}
        connection = self._execution.connection
        with translated():
            lease.guard(connection, self._lease)
            close_batch(connection, self._lease, batch, answers)
            request.record_answered(connection, self._feed.name, list(answers.values()))
        commit(connection)

    def _catch_up(self) -> None:
        """Record answers that are visible and unknown: the ledger is older than Kafka, or younger than relay."""
        connection, topic = self._execution.connection, self._cluster.topic(self._response)
        marks = self._cluster.watermarks(topic)
        known = known_to(connection, self._feed.name, topic.name, topic.id)
        start = {partition: _within(mark, known.get(partition, mark.low)) for partition, mark in marks.items()}
        visible = {partition: mark.last_stable for partition, mark in marks.items()}
        answers = self._visible(topic.name, Stretch(start, visible))
        unknown = set(answers) - request.fetch_answered(connection, answers)
        if unknown:
            with translated():
                lease.guard(connection, self._lease)
                request.record_answered(connection, self._feed.name, [answers[each] for each in unknown])
            commit(connection)

    def _visible(self, topic: str, stretch: Stretch) -> dict[UUID, tuple[Request, int | None]]:
        """Answers that a reader of committed records sees: correlation id → (request, rows of its response)."""
        found = {}
        for headers in _committed(self._execution, self._cluster, topic, stretch):
            try:
                envelope = Envelope.of(headers)
            except Unreadable:
                continue  # not ours
            known = envelope.correlation_id
            if known and known not in found and envelope.base_date:
                found[known] = (Request(known, envelope.base_date, envelope.seq or 1), envelope.count)
        return found


@dataclass(frozen=True)
class Stretch:
    """A part of a topic: partition → from where, and to where."""

    start: Mapping[int, int]
    ends: Mapping[int, int]

    def is_read(self, position: Mapping[int, int]) -> bool:
        return all(position[partition] >= end for partition, end in self.ends.items())


def since(cluster: Cluster, batch: Batch) -> Stretch:
    """From where the topic ended then, to the records of open transactions; all of it where it was made anew."""
    topic = cluster.topics([batch.topic]).get(batch.topic)
    if topic is None:
        return Stretch({}, {})
    marks = cluster.watermarks(topic)
    then = dict(enumerate(batch.ends)) if topic.id == batch.topic_id else {}
    start = {partition: _within(mark, then.get(partition, mark.low)) for partition, mark in marks.items()}
    return Stretch(start, {partition: mark.high for partition, mark in marks.items()})


def _within(mark: Watermarks, offset: int) -> int:
    """The offset, or the beginning where retention has passed it, or where the log has lost its tail since."""
    return max(mark.low, offset) if offset <= mark.high else mark.low


def _committed(execution: Execution, cluster: Cluster, topic: str, stretch: Stretch) -> Iterator[Headers | None]:
    """Headers of the committed messages of a stretch, neighbours with equal ones once.

    Raises Transient where an open transaction hides one of them.
    """
    if stretch.is_read(stretch.start):
        return
    group = f"{execution.settings.domain}.batches"  # committed by nobody
    with closing(cluster.reader(topic, group)) as reader:
        reader.assign(stretch.start)
        moved, position = time.monotonic(), dict(stretch.start)
        while not stretch.is_read(position):
            yield from (headers for headers, _ in by_headers(reader.read()))
            before, position = position, reader.positions()
            if position != before:
                moved = time.monotonic()
            elif time.monotonic() - moved > PATIENCE or execution.stop.is_set():
                raise Transient(
                    f"a transaction on {topic} is still open, and hides whether requests were answered; "
                    "the next run looks again"
                )
