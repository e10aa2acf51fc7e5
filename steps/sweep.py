"""sweep: once a minute, for all feeds: is there something to read and no run that reads it? Start one.

The doorbell makes a run start quickly; the sweep makes it start surely. It compares the log's end with the checkpoint,
so a lost doorbell, a dead pod and a message without a doorbell all look alike.

It also reports what did not come: requests without an answer, absent feeds (`watch.report`), and delivers that to a
webhook (`watch.webhook`). A part that fails stops no other: Argo's outage is no reason to hide a feed's absence.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger import control, lease, quarantine, request
from ledger.database import rollback
from ledger.key import LeaseKey
from steps.drain import checkpoint
from steps.drain.kafka import Cluster
from steps.run import calendars, gate
from steps.run.execution import Execution, Outcome
from steps.run.exits import Failure
from steps.run.status import Status
from steps.watch.argo import Server
from steps.watch.report import watch
from steps.watch.webhook import deliver

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from catalog import Feed
    from steps.drain.kafka import Topic

#: Seconds after which a start that led to nothing is tried again.
AGAIN = 300
#: A request without an answer for so many seconds is reported.
OVERDUE = 1800.0


@dataclass(frozen=True)
class Start:
    """A run to be started, under a name that only one run can have."""

    key: LeaseKey
    epoch: int
    """Of all its partitions together: it grows with each run that takes some."""
    lag: int
    at: datetime

    @property
    def name(self) -> str:
        """Fixed by what is to be done and by five minutes: a second start is refused by the cluster itself.

        The five minutes are for a run that ended before it could take the lease (stopped, no image, no database): its
        Workflow keeps the name for days, and no other run would raise the epoch.
        """
        key = f"{self.key.feed}-{self.key.stage}"
        return f"{key}-epoch-{self.epoch}-{int(self.at.timestamp()) // AGAIN}"


def sweep(execution: Execution, feeds: Sequence[Feed]) -> Outcome:
    """Start what is due; report what is overdue, absent and back again. Raises the first failure, at the end."""
    counts: dict[str, int] = {}
    failures: list[Failure] = []
    for part in (start_due, report_overdue, refresh_calendars, watch, deliver_notices):
        try:
            counts |= part(execution, feeds)
        except Failure as error:
            if failures:
                print(str(error), file=sys.stderr, flush=True)  # noqa: T201 -- only the first can be raised
            failures.append(error)
            if execution.connection.closed:
                break
            execution.connection.rollback()
    if failures:
        raise failures[0]
    return Outcome(Status.SUCCEEDED, counts=counts)


def start_due(execution: Execution, feeds: Sequence[Feed]) -> dict[str, int]:
    """Start each drain that has something to read and no run that reads it."""
    starts = due(execution, feeds)
    started = 0
    argo = execution.settings.argo
    if starts and argo:
        with Server(argo, seconds=10) as server:
            started = sum(submit(server, each) for each in starts)
    return {"due": len(starts), "started": started}


def report_overdue(execution: Execution, feeds: Sequence[Feed]) -> dict[str, int]:  # noqa: ARG001 -- the form of a part
    """Report requests without an answer."""
    found = request.fetch_overdue(execution.connection, OVERDUE)
    for late in found:
        print(f"OVERDUE {late.feed} {late.base_date} seq {late.seq}: sent {late.seconds / 60:.0f} min ago, no answer")  # noqa: T201 -- the pod's log is what operators read
    return {"overdue": len(found)}


def refresh_calendars(execution: Execution, feeds: Sequence[Feed]) -> dict[str, int]:
    """Refresh the copies of calendars whose home is elsewhere."""
    calendars.refresh(execution, {feed.calendar for feed in feeds})
    return {}


def deliver_notices(execution: Execution, feeds: Sequence[Feed]) -> dict[str, int]:  # noqa: ARG001 -- likewise
    """Deliver notices to the webhook that it has not received yet."""
    return {"undelivered": deliver(execution)}


def due(execution: Execution, feeds: Sequence[Feed]) -> list[Start]:
    """Find drains with something to read, an open gate and a free lease."""
    cluster, prefix = Cluster(execution.settings), execution.settings.topic_prefix
    drains = [(feed, stage, feed.topic(kind, prefix)) for feed in feeds for stage, kind in _stages(feed)]
    topics = cluster.topics({topic for _, _, topic in drains})
    lease.cap(execution.connection, execution.settings.lease_seconds)
    states = lease.states(execution.connection)
    found = []
    for feed, stage, name in drains:
        if name not in topics:
            print(f"MISSING topic {name} of feed {feed.name} does not exist: create it")  # noqa: T201 -- likewise
            continue
        if gate.refusal(control.state(execution.connection, feed.name), stage, execution.now()):
            continue
        key = LeaseKey(feed.name, stage)
        lag = _waiting(execution, cluster, key, topics[name], states.get(key, {}))
        if lag > 0:
            found.append(Start(key, _epochs(states, key), lag, execution.now()))
    found += _releases(execution, feeds, states)
    rollback(execution.connection)
    return found


def _releases(
    execution: Execution, feeds: Sequence[Feed], states: Mapping[LeaseKey, Mapping[int, lease.LeaseState]]
) -> Iterable[Start]:
    """Deferred rows whose day has come, where the gate is open and the leases, which release takes, are free."""
    now = execution.now()
    todays = {feed.name: gate.today(feed, now) for feed in feeds}
    for feed, counts in quarantine.fetch_due(execution.connection, todays).items():
        key = LeaseKey(feed, "sub")
        is_free = all(_is_free(states.get(key, {}), partition) for partition in counts)
        if is_free and not gate.refusal(control.state(execution.connection, feed), "release", now):
            yield Start(LeaseKey(feed, "release"), _epochs(states, key), sum(counts.values()), now)


def _waiting(
    execution: Execution, cluster: Cluster, key: LeaseKey, topic: Topic, states: Mapping[int, lease.LeaseState]
) -> int:
    """How many offsets wait that no run has. Only sub shares: a relay at work has all of them."""
    free = [partition for partition in topic.partitions if _is_free(states, partition)]
    if not free or (key.stage == "relay" and len(free) < len(topic.partitions)):
        return 0
    behind = checkpoint.behind(execution.connection, cluster, key, topic)
    return sum(behind.get(partition, 0) for partition in free)


def _is_free(states: Mapping[int, lease.LeaseState], partition: int) -> bool:
    return states.get(partition, lease.LeaseState()).is_free


def _epochs(states: Mapping[LeaseKey, Mapping[int, lease.LeaseState]], key: LeaseKey) -> int:
    return sum(state.epoch for state in states.get(key, {}).values())


def submit(server: Server, wanted: Start) -> bool:
    """Start one; False when that very run is already there."""
    if not server.submit(f"{wanted.key.feed}-{wanted.key.stage}", wanted.name, {}, {}):
        return False
    what = "rows due" if wanted.key.stage == "release" else "offsets behind"
    print(f"STARTED {wanted.name}: {wanted.lag} {what}", flush=True)  # noqa: T201 -- the pod's log is what operators read
    return True


def _stages(feed: Feed) -> Iterable[tuple[str, str]]:
    return [("relay", "request"), ("sub", "response")] if feed.partner else [("sub", "response")]


__all__ = ["Start", "sweep"]
