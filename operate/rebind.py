"""rebind: a feed's topic was moved, renamed or mirrored; its checkpoints go on in the new one.

`moves.py` decides where ─▶ all of them in one transaction: the old source is closed, another begins at that offset

Called by `feedfall rebind`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ledger import chunk, gap, journal, lease
from ledger.errors import translated
from ledger.key import LeaseKey
from operate.act import acting_apart
from operate.moves import find
from steps.drain.lease_keeper import exclusively
from steps.run.execution import Execution, Outcome, executing
from steps.run.exits import Exit
from steps.run.status import Status

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from catalog import Feed
    from ledger.database import Connection
    from ledger.lease import Lease
    from operate.act import Act
    from operate.moves import Given, Move
    from steps.drain.lease_keeper import Keeper
    from steps.run.settings import Settings


@dataclass(frozen=True)
class RebindResult:
    """How it ended, and what is moved, or would be."""

    outcome: Outcome
    moves: Sequence[Move]


def look(settings: Settings, connection: Connection, feed: Feed, given: Given, stop: threading.Event) -> RebindResult:
    """Find where each checkpoint goes on, and change nothing. Raises OffsetGap for what cannot be mapped."""
    moves = find(settings, connection, feed, given, stop)
    connection.rollback()
    return RebindResult(Outcome(Status.SHOWN if moves else Status.NOTHING), moves)


def move(settings: Settings, feed: Feed, given: Given, act: Act, stop: threading.Event) -> RebindResult:
    """Rebind every checkpoint of a feed in a run of its own, as `feedfall runs` shows it."""
    key = LeaseKey(feed.name, "rebind")
    with acting_apart(settings.database_url, act) as record, executing(settings, key, stop) as execution:
        moves = find(settings, execution.connection, feed, given, stop)
        execution.connection.rollback()
        outcome = execution.outcome = _move_all(execution, feed, moves, act.actor.who, record.act.reason)
        record.settle(outcome)
    return RebindResult(outcome, moves)


def _move_all(execution: Execution, feed: Feed, moves: Sequence[Move], by: str, reason: str) -> Outcome:
    if not moves:
        return Outcome(Status.NOTHING)
    drains = defaultdict(list)
    for each in moves:
        drains[each.old.stage].append(each)
    for stage, its in drains.items():
        partitions = [each.old.partition for each in its]
        act = partial(_move, execution, feed, its, by, reason)
        outcome = exclusively(execution, LeaseKey(feed.name, stage), partitions, act)
        if outcome.status is not Status.SUCCEEDED:
            return outcome
    freed = gap.unblock(execution.connection, feed.name, Exit.GAP)
    execution.connection.commit()
    return Outcome(Status.SUCCEEDED, counts={"moved": len(moves), "freed": freed})


def _move(
    execution: Execution, feed: Feed, moves: Sequence[Move], by: str, reason: str, held: Lease, _: Keeper
) -> Outcome:
    """Close the old sources and open the others, in one transaction, under the stage's lease."""
    connection = execution.connection
    with translated():
        lease.guard(connection, held)
        for each in moves:
            old, topic = each.old, each.topic
            markers = feed.writes_markers if old.stage == "sub" else False
            gap.close(connection, held, old.id, old.next_offset)
            new = chunk.open_source(
                connection,
                held,
                topic.name,
                topic.id,
                old.partition,
                each.offset,
                markers=markers,
                cluster_id=topic.cluster_id,
            )
            gap.moved(connection, held, old.id, old.next_offset, new.id, by, reason)
            journal.write(connection, "rebind", feed.name, by, reason, **_as_written(each))
        connection.commit()
    return Outcome(Status.SUCCEEDED)


def _as_written(move: Move) -> dict[str, object]:
    old, topic = move.old, move.topic
    before = {"stage": old.stage, "topic": old.topic, "cluster": old.cluster_id, "partition": old.partition}
    after = {"to": topic.name, "to_cluster": topic.cluster_id, "at": move.offset, "sure": move.sure}
    return {**before, "from": old.next_offset, **after}
