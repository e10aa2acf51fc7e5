"""A chunk: the rows of some offsets, their fates and the checkpoint, in one transaction. Called by `steps/drain/`.

begin ─▶ lease.guard ─▶ control.still_open ─▶ the sink's own work ─▶ record ─▶ commit
            │ Fenced          │ False                                │ Fenced    │ Unsure
            └─────────────────┴────────── roll back, nothing moved ──┘           └ is_recorded on a new connection
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from uuid import UUID

from psycopg.types.multirange import Int8Multirange
from psycopg.types.range import Int8Range

from ledger.database import Connection, fetch_all, one, rows, run
from ledger.errors import Fenced
from ledger.key import LeaseKey
from ledger.lease import Lease
from ledger.statements import sql

#: A message's time in milliseconds is its sender's word: the last one that a calendar has.
LATEST = 253_402_300_799_999


@dataclass
class Fates:
    """What became of rows; `read` is always the sum of the others."""

    read: int = 0
    loaded: int = 0
    superseded: int = 0
    duplicate: int = 0
    quarantined: int = 0
    deferred: int = 0

    def add(self, other: "Fates") -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass(frozen=True)
class Source:
    """One partition of one topic as a stage reads it; `next_offset` is its checkpoint."""

    id: int
    topic_id: str
    partition: int
    first_offset: int
    next_offset: int
    leader_epoch: int | None = None
    """Of the leader that gave the offsets before the checkpoint; None: not known."""
    markers: bool = False
    """May it hold offsets that no message has?"""
    cluster_id: str | None = None
    """None: read before clusters were known, or Kafka names none."""


@dataclass
class Span:
    """[from_offset, to_offset) of one source, as a chunk records it."""

    source: int
    from_offset: int
    to_offset: int
    records: int = 0
    absent: list[tuple[int, int]] = field(default_factory=list)
    fates: Fates = field(default_factory=Fates)
    replaced: dict[int, int] = field(default_factory=dict)
    """Earlier run → how many of its rows this span's rows replaced."""
    leader_epoch: int | None = None
    """Of the leader that gave its last offset; None: not known."""
    late: int = 0
    """Good rows whose message came after their base date's due time."""


@dataclass(frozen=True)
class SetAside:
    """A row (or, row = -1, a whole message) for quarantine: everything needed to judge and load it later."""

    source: int
    offset: int
    row: int
    reason: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    sent_at: int
    correlation_id: UUID | None = None
    fate: str = "quarantined"
    until: date | None = None
    """Deferred: to this day."""
    by_date: bool = False
    """Quarantined for its base date, which says nothing of the contract."""
    seq: int = 0

    @property
    def size(self) -> int:
        """Bytes that it takes in quarantine: a message may be small but for its headers."""
        headers = sum(len(name.encode()) + len(value or b"") for name, value in self.headers)
        return len(self.value or b"") + len(self.key or b"") + headers


@dataclass(frozen=True)
class RecentBad:
    """Bad rows of the last ten spans, and the bytes that they take in quarantine."""

    rows: int
    bytes: int


@dataclass
class ResponseTally:
    """How many rows of one response a chunk recorded, and what the response said about itself."""

    base_date: date | None
    seq: int | None
    kind: str
    reason: str | None
    count: int | None
    rows: int = 0


@dataclass
class ChunkResult:
    """What a sink did with a chunk, beside the fates that it wrote into the spans."""

    set_aside: Sequence[SetAside] = ()
    tallies: Mapping[UUID, ResponseTally] = field(default_factory=dict)


def sources(connection: Connection, key: LeaseKey, topic: str) -> list[Source]:
    """Return the checkpoints of a topic's partitions."""
    return fetch_all(connection, Source, "chunk.sources", **vars(key), topic=topic)


def other_topics(connection: Connection, key: LeaseKey, topic: str) -> list[str]:
    """Return the names of other topics that this drain still has checkpoints of."""
    return [name for (name,) in rows(connection, "chunk.other_topics", **vars(key), topic=topic)]


def open_source(
    connection: Connection,
    lease: Lease,
    topic: str,
    topic_id: str,
    partition: int,
    low: int,
    *,
    markers: bool,
    cluster_id: str | None = None,
) -> Source:
    """Record a partition that is seen for the first time. The caller commits."""
    where = {"topic": topic, "topic_id": topic_id, "cluster_id": cluster_id, "partition": partition}
    known = {**where, "markers": markers, "low": low}
    found = one(connection, "chunk.open_source", **vars(lease.key), **known, epoch=lease.epoch_of(partition))
    return Source(found[0], topic_id, partition, low, low, markers=markers, cluster_id=cluster_id)


def allow_markers(connection: Connection, key: LeaseKey, topic: str) -> None:
    """Record that a topic may hold offsets that no message has: its feed says so since. The caller commits."""
    run(connection, "chunk.allow_markers", **vars(key), topic=topic)


def name_cluster(connection: Connection, key: LeaseKey, topic: str, topic_id: str, cluster_id: str) -> None:
    """Record of which cluster the open sources of a topic are, where that is not known yet. The caller commits."""
    run(connection, "chunk.name_cluster", **vars(key), topic=topic, topic_id=topic_id, cluster_id=cluster_id)


def recent_bad(connection: Connection, key: LeaseKey) -> RecentBad:
    """Count the unresolved bad rows of the last ten spans, and their bytes: they use up the feed's budget."""
    return RecentBad(*one(connection, "chunk.recent_bad", **vars(key)))


def record(
    connection: Connection,
    lease: Lease,
    spans: Sequence[Span],
    set_aside: Sequence[SetAside] = (),
    tallies: Mapping[UUID, ResponseTally] | None = None,
) -> None:
    """Record a chunk's spans, quarantine and requests, and move its checkpoints. The caller commits. Raises Fenced."""
    for span in spans:
        _record_span(connection, lease, span)
    if set_aside:
        connection.cursor().executemany(sql("chunk.quarantine"), [_as_values(row, lease.run) for row in set_aside])
    if tallies:
        record_answers(connection, lease, tallies)


def is_recorded(connection: Connection, lease: Lease, spans: Sequence[Span]) -> bool:
    """After a lost reply to COMMIT: did this run's spans get there?"""
    first = spans[0]
    answer = one(connection, "chunk.is_recorded", source=first.source, from_offset=first.from_offset, run=lease.run)
    return bool(answer[0])


def _record_span(connection: Connection, lease: Lease, span: Span) -> None:
    moved = run(
        connection,
        "chunk.advance",
        source=span.source,
        **lease.epochs,
        from_offset=span.from_offset,
        to_offset=span.to_offset,
        leader_epoch=span.leader_epoch,
    )
    if moved != 1:
        raise Fenced(f"the checkpoint of {lease.key} was moved by another run; this one wrote nothing")
    added = one(
        connection,
        "chunk.span",
        source=span.source,
        from_offset=span.from_offset,
        to_offset=span.to_offset,
        run=lease.run,
        records=span.records,
        absent=Int8Multirange([Int8Range(low, high) for low, high in span.absent]),
        late=span.late,
        **vars(span.fates),
    )
    for earlier, count in span.replaced.items():
        run(connection, "chunk.replaced", span=added[0], run=earlier, rows=count)


def _as_values(row: SetAside, run_id: int) -> dict[str, object]:
    headers = [part for name, value in row.headers for part in (name.encode(), value)]
    times = {"sent_at": min(max(row.sent_at, 0), LATEST)}
    return {**vars(row), **times, "run": run_id, "reason": storable(row.reason), "headers": headers}


def storable(text: str | None) -> str | None:
    """Words from outside, as PostgreSQL can keep them: without NUL and halves of characters."""
    return text and text[:2000].replace("\x00", "\\0").encode(errors="backslashreplace").decode()


def record_answers(connection: Connection, lease: Lease, tallies: Mapping[UUID, ResponseTally]) -> None:
    """Record how many rows of answers have a fate now. The caller commits."""
    answers = list(tallies.values())
    run(
        connection,
        "chunk.record_answers",
        feed=lease.key.feed,
        run=lease.run,
        ids=list(tallies),
        base_dates=[a.base_date for a in answers],
        seqs=[a.seq for a in answers],
        kinds=[a.kind for a in answers],
        reasons=[storable(a.reason) for a in answers],
        counts=[a.count for a in answers],
        settled=[a.rows for a in answers],
    )
