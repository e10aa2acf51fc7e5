"""Offsets that Kafka lost before they were read, and that a person accepts as lost. Called by `operate/skip_gap.py`.

retention passed the checkpoint ──▶ a span of absent offsets, marked as a gap: spans still abut
the topic was made anew ──────────▶ the old source is closed where it stands; the next run opens another
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger import chunk
from ledger.chunk import Span
from ledger.database import fetch_all, run
from ledger.errors import Fenced, translated

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.database import Connection
    from ledger.lease import Lease


@dataclass(frozen=True)
class AcceptedGap:
    """[from_offset, to_offset) of a partition; `to_offset` None: what an old topic of that name held beyond."""

    stage: str
    topic: str
    partition: int
    from_offset: int
    to_offset: int | None
    who: str
    reason: str
    at: datetime
    moved_topic: str | None = None
    """Nothing is lost: the partition goes on in this topic, from `moved_offset` on."""
    moved_offset: int | None = None

    @property
    def offsets(self) -> int:
        """How many are known to be lost."""
        return self.to_offset - self.from_offset if self.to_offset else 0


def accept(
    connection: Connection, lease: Lease, source: int, from_offset: int, to_offset: int | None, who: str, reason: str
) -> None:
    """Record a gap at a source's checkpoint: move it, or close the source. The caller commits. Raises Fenced."""
    where = {"source": source, "from_offset": from_offset}
    if to_offset is not None:
        lost = Span(source, from_offset, to_offset, absent=[(from_offset, to_offset)])
        chunk.record(connection, lease, [lost])
    else:
        close(connection, lease, source, from_offset)
    run(connection, "gap.accept", **where, to_offset=to_offset, run=lease.run, who=who, reason=reason, moved_to=None)


def close(connection: Connection, lease: Lease, source: int, from_offset: int) -> None:
    """Close a source at its checkpoint. The caller says why, and commits. Raises Fenced."""
    if run(connection, "gap.close", source=source, from_offset=from_offset, **lease.epochs) != 1:
        raise Fenced(f"the checkpoint of {lease.key} was moved by another run; nothing was changed")


def moved(connection: Connection, lease: Lease, source: int, from_offset: int, to: int, who: str, reason: str) -> None:
    """Source `to` goes on in the place of one that was closed. The caller commits."""
    where = {"source": source, "from_offset": from_offset, "to_offset": None}
    run(connection, "gap.accept", **where, run=lease.run, who=who, reason=reason, moved_to=to)


def unblock(connection: Connection, feed: str, code: int) -> bool:
    """Lift the block that a gap was the reason of. The caller commits."""
    with translated():
        return run(connection, "gap.unblock", feed=feed, code=code) == 1


def fetch_accepted(connection: Connection, feed: str) -> list[AcceptedGap]:
    """Every gap of a feed that a person accepted."""
    with translated():
        return fetch_all(connection, AcceptedGap, "gap.accepted", feed=feed)
