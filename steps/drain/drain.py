"""The drain: how sub and relay read their topic, from the checkpoint to the end, each offset once.

    gate ─▶ leases ─▶ fence the previous holder ─▶ watermarks ─▶ chunk, chunk … ─▶ release ─▶ look once more ─▶ leave
     │        │                                     │  ▲                                       │ more: again
     HELD    BUSY                       OffsetGap ◀─┘  └──── an open transaction: wait ◀───────┘
     BLOCKED

A run takes the leases of all partitions. Where several runs share a topic, each takes its share of those that have
something to read; nobody leaves while a partition is free and has something to read.

One piece of code, two sinks: what a chunk *does* with its messages is the sink's; when it begins, ends, commits, and
where the next one starts, is decided here. A lost doorbell costs time, a second one a short pod, neither a row.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger import chunk, control, lease
from ledger.chunk import Fates
from ledger.database import Unsure, commit, rollback
from ledger.errors import translated
from ledger.key import LeaseKey
from steps.drain import checkpoint
from steps.drain.intake import Intake
from steps.drain.kafka import Cluster, Reader, Topic, Watermarks
from steps.drain.lease_keeper import keep, take
from steps.run import gate
from steps.run.execution import Execution, Outcome
from steps.run.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog import Feed
    from ledger.chunk import Source
    from ledger.lease import Lease
    from steps.drain.lease_keeper import Keeper
    from steps.drain.sink import Sink


@dataclass(frozen=True)
class Patience:
    """Seconds a drain waits: for an open transaction, and for how long it goes on at most."""

    transaction: float = 10.0
    run: float = 1800.0


def drain(
    execution: Execution,
    feed: Feed,
    sink: Sink,
    patience: Patience | None = None,
    cluster: Cluster | None = None,
) -> Outcome:
    """Drain the sink's topic to its end, and leave."""
    refusal = gate.refusal(control.state(execution.connection, feed.name), sink.stage, execution.now())
    rollback(execution.connection)
    if refusal:
        return Outcome(refusal.status, reason=refusal.reason)
    return Drain(execution, feed, sink, patience or Patience(), cluster or Cluster(execution.settings)).run()


class Drain:
    """One run's drain. Reads downwards: run → to the watermarks → chunks → one chunk."""

    def __init__(self, execution: Execution, feed: Feed, sink: Sink, patience: Patience, cluster: Cluster) -> None:
        self._execution, self._feed, self._sink, self._patience = execution, feed, sink, patience
        self._key, self._cluster = LeaseKey(feed.name, sink.stage), cluster
        self._markers = sink.markers or feed.transactional is True
        self._reader: Reader | None = None
        self._until = time.monotonic() + patience.run
        self._total = Fates()
        self._epochs: dict[int, int | None] = {}
        self._lag = 0

    def run(self) -> Outcome:
        """Take leases, drain, release, look once more; again while there is more."""
        drained = False
        try:
            while True:
                topic = self._cluster.topic(self._sink.topic)
                held = self._take(topic)
                if held is None:
                    holder = lease.holder(self._execution.connection, self._key)
                    return self._outcome(Status.SUCCEEDED) if drained else self._outcome(Status.BUSY, reason=holder)
                with keep(self._execution, held) as keeper:
                    status = self._drain_to_watermarks(held, keeper, topic)
                drained = True
                if status is not Status.SUCCEEDED:
                    return self._outcome(status)
                if not self._has_more():
                    return self._outcome(Status.SUCCEEDED)
        finally:
            if self._reader:
                self._reader.close()

    def _take(self, topic: Topic) -> Lease | None:
        """All partitions, or a share of them where other runs are at work or are started beside this one."""
        if not (self._sink.shares and self._feed.parallel > 1):
            held = take(self._execution, self._key, topic.partitions)
            if held or not self._sink.shares:
                return held
        behind = checkpoint.behind(self._execution.connection, self._cluster, self._key, topic)
        return take(self._execution, self._key, topic.partitions, lease.share(sorted(behind), self._feed.parallel))

    def _drain_to_watermarks(self, held: Lease, keeper: Keeper, topic: Topic) -> Status:
        mine = held.partitions
        marks = self._cluster.watermarks(topic, mine)
        sources = self._sources(held, topic, marks)
        position = {partition: source.next_offset for partition, source in sources.items()}
        self._epochs = {partition: source.leader_epoch for partition, source in sources.items()}
        give_up = time.monotonic() + self._patience.transaction
        while True:
            self._lag = sum(marks[partition].high - at for partition, at in position.items())
            if any(marks[partition].last_stable > at for partition, at in position.items()):
                status, position = self._load_chunks(held, keeper, topic, sources, position, marks)
                if status is not Status.SUCCEEDED:
                    return status
                give_up = time.monotonic() + self._patience.transaction
            if all(marks[partition].high <= at for partition, at in position.items()):
                return Status.SUCCEEDED
            if time.monotonic() > give_up:
                return Status.OPEN_TXN
            keeper.beat()
            if self._execution.stop.wait(0.05):
                return Status.STOPPED
            marks = _capped(marks, self._cluster.watermarks(topic, mine))

    def _sources(self, held: Lease, topic: Topic, marks: Mapping[int, Watermarks]) -> dict[int, Source]:
        """End the sessions of earlier holders, take over the checkpoints, record partitions that are new."""
        connection = self._execution.connection
        lease.exclude(connection, held)
        killed = lease.killed_in_a_row(connection, held, self._feed.max_lost)
        with translated():
            checkpoint.check_name(topic, self._key, chunk.other_topics(connection, self._key, topic.name))
            known = {
                source.partition: source
                for source in chunk.sources(connection, held.key, topic.name)
                if source.partition in marks
            }
            for partition, end in marks.items():
                if partition in known:
                    checkpoint.check(topic, known[partition], end, self._feed.name)
                else:
                    known[partition] = chunk.open_source(
                        connection,
                        held,
                        topic.name,
                        topic.id,
                        partition,
                        end.low,
                        markers=self._markers,
                        cluster_id=topic.cluster_id,
                    )
            if topic.cluster_id and not all(source.cluster_id for source in known.values()):
                chunk.name_cluster(connection, held.key, topic.name, topic.id, topic.cluster_id)
            if self._markers and not all(source.markers for source in known.values()):
                chunk.allow_markers(connection, held.key, topic.name)
            connection.commit()
        if killed >= self._feed.max_lost:
            raise checkpoint.killed_again(topic, known.values(), killed)
        return known

    def _load_chunks(
        self,
        held: Lease,
        keeper: Keeper,
        topic: Topic,
        sources: Mapping[int, Source],
        position: dict[int, int],
        marks: Mapping[int, Watermarks],
    ) -> tuple[Status, dict[int, int]]:
        """Load chunk by chunk up to the watermarks. A chunk is recorded whole or leaves no trace."""
        reader = self._open_reader(position)
        self._sink.open(held, reader, sources)
        goals = {partition: end.last_stable for partition, end in marks.items()}
        while any(position[partition] < goal for partition, goal in goals.items()):
            if self._execution.stop.is_set():
                return Status.STOPPED, position
            if time.monotonic() > self._until:
                return Status.MORE, position
            intake = Intake(
                reader,
                sources,
                position,
                goals,
                rows=self._feed.chunk_rows,
                batch=self._sink.batch,
                stop=self._execution.stop,
                beat=keeper.beat,
            )
            if not self._chunk(held, topic, intake):
                return Status.HELD, position
            position = intake.position()
            self._epochs |= {partition: span.leader_epoch for partition, span in intake.spans.items()}
            self._lag = sum(max(end.high - position[partition], 0) for partition, end in marks.items())
            reader.show_lag(position)
        return Status.SUCCEEDED, position

    def _chunk(self, held: Lease, topic: Topic, intake: Intake) -> bool:
        """Commit the sink's work, the fates and the checkpoint together. False: the feed was held, nothing moved."""
        connection = self._execution.connection
        self._sink.gather(intake)
        gathered = intake.position()
        if intake.moved_spans():  # relay has read all that it will, and commits to Kafka in `load`
            self._check_reading(topic, intake)
        with translated():
            lease.guard(connection, held)
            if not control.still_open(connection, self._feed.name):
                connection.rollback()
                return False
            result = self._sink.load(connection, intake)
            spans = intake.moved_spans()
            if not spans:
                connection.rollback()
                return True
            if intake.position() != gathered:
                self._check_reading(topic, intake)
            chunk.record(connection, held, spans, result.set_aside, result.tallies)
        self._commit(held, spans)
        for span in spans:
            self._total.add(span.fates)
        return True

    def _check_reading(self, topic: Topic, intake: Intake) -> None:
        """After a chunk's last read, before any commit: was all of it read, from the topic that the ledger means?

        A run may be frozen for long. Its offsets mean other messages where the topic was deleted and created anew.
        """
        partitions = {span.source: partition for partition, span in intake.spans.items()}
        wrong = checkpoint.no_messages(topic, self._feed, intake.spans.values(), partitions)
        if wrong and not self._markers:
            raise wrong
        if not self._cluster.topic(topic.name).is_that(topic.id, topic.cluster_id):
            raise checkpoint.made_anew(topic)

    def _commit(self, held: Lease, spans: list[chunk.Span]) -> None:
        """Commit. Where the reply is lost, end the old session and look: it is done if the spans carry this run."""
        try:
            commit(self._execution.connection)
        except Unsure:
            self._execution.reconnect()
            lease.exclude(self._execution.connection, held)
            with translated():
                done = chunk.is_recorded(self._execution.connection, held, spans)
                self._execution.connection.commit()
            if not done:
                raise

    def _open_reader(self, position: Mapping[int, int]) -> Reader:
        if self._reader is None:
            settings = self._execution.settings
            group = f"{settings.domain}.{self._feed.name}.{self._sink.stage}"
            self._reader = self._cluster.reader(self._sink.topic, group)
        self._reader.assign(position, self._epochs)
        return self._reader

    def _has_more(self) -> bool:
        """After the release: did messages arrive while we held leases? A doorbell that rang for them found BUSY.

        All partitions are looked at: what another run gave back meanwhile has nobody else.
        """
        topic = self._cluster.topic(self._sink.topic)
        self._lag = sum(checkpoint.behind(self._execution.connection, self._cluster, self._key, topic).values())
        if self._lag <= 0:
            return False
        state = control.state(self._execution.connection, self._feed.name)
        rollback(self._execution.connection)
        return gate.refusal(state, self._sink.stage, self._execution.now()) is None

    def _outcome(self, status: Status, reason: str | None = None) -> Outcome:
        counts = {**vars(self._total), "lag": max(self._lag, 0)}
        why = reason or (None if status is Status.SUCCEEDED else status.sentence)
        return self._sink.outcome(Outcome(status, reason=why, counts=counts))


def _capped(first: Mapping[int, Watermarks], now: Mapping[int, Watermarks]) -> dict[int, Watermarks]:
    """The watermarks of now, but not beyond the first ones: a busy topic must not keep a run for ever."""
    return {
        partition: Watermarks(end.low, min(end.last_stable, first[partition].high), first[partition].high)
        for partition, end in now.items()
        if partition in first
    }


__all__ = ["Drain", "Patience", "drain"]
