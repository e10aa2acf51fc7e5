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

from ledger import chunk, control, lease, quarantine, request
from ledger.database import rollback
from ledger.errors import translated
from ledger.key import LeaseKey
from ledger.request import RETRY_SHARD
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
    lag: int
    at: datetime
    what: str = "offsets behind"

    @property
    def name(self) -> str:
        """Fixed by what is to be done and by five minutes: a second start is refused by the cluster itself.

        The five minutes are for a run that ended before it could take the lease (stopped, no image, no database): its
        Workflow keeps the name for days, and no other run would raise the epoch.
        """
        key = f"{self.key.feed}-{self.key.stage}-{self.key.shard}"
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
        until = f"; deferred until {late.retry_at:%Y-%m-%d %H:%M %Z}: {late.retry_reason}" if late.retry_at else ""
        words = f"OVERDUE {late.feed} {late.base_date} seq {late.seq}: sent {late.seconds / 60:.0f} min ago, no answer"
        print(" ".join(f"{words}{until}".split()))  # noqa: T201 -- the pod's log is what operators read
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
        for key in (LeaseKey(feed.name, stage, shard) for shard in range(feed.shards)):
            state = states.get(key, lease.LeaseState())
            lag = offsets_behind(execution, cluster, feed, key, topics[name]) if state.is_free else 0
            if lag > 0:
                found.append(Start(key, state.epoch, lag, execution.now()))
    found += _retries(execution, feeds, states, found)
    found += _releases(execution, feeds, states)
    rollback(execution.connection)
    return found


def _releases(
    execution: Execution, feeds: Sequence[Feed], states: Mapping[LeaseKey, lease.LeaseState]
) -> Iterable[Start]:
    """Deferred rows whose day has come, where the gate is open and sub's lease, which release takes, is free."""
    now = execution.now()
    todays = {feed.name: gate.today(feed, now) for feed in feeds}
    for (feed, shard), count in quarantine.fetch_due(execution.connection, todays).items():
        state = states.get(LeaseKey(feed, "sub", shard), lease.LeaseState())
        if state.is_free and not gate.refusal(control.state(execution.connection, feed), "release", now):
            yield Start(LeaseKey(feed, "release", shard), state.epoch, count, now, "rows due")


def _retries(
    execution: Execution,
    feeds: Sequence[Feed],
    states: Mapping[LeaseKey, lease.LeaseState],
    found: Sequence[Start],
) -> Iterable[Start]:
    """Deferred requests that are due, where the gate is open and no relay runs or is to be started anyway."""
    now, started = execution.now(), {each.key for each in found}
    deferred = request.fetch_due_feeds(execution.connection, now)
    for feed in feeds:
        key = LeaseKey(feed.name, "relay", RETRY_SHARD)
        state = states.get(key, lease.LeaseState())
        if not (feed.partner and feed.name in deferred and state.is_free) or key in started:
            continue
        if not gate.refusal(control.state(execution.connection, feed.name), "relay", now):
            yield Start(key, state.epoch, deferred[feed.name], now, "deferred requests due")


def offsets_behind(execution: Execution, cluster: Cluster, feed: Feed, key: LeaseKey, topic: Topic) -> int:
    """Count the offsets between the checkpoint and the log's end, an open transaction's included."""
    with translated():
        at = {source.partition: source.next_offset for source in chunk.sources(execution.connection, key, topic.name)}
    mine = [partition for partition in topic.partitions if partition % feed.shards == key.shard]
    marks = cluster.watermarks(topic, mine)
    return sum(abs(mark.high - at.get(partition, mark.low)) for partition, mark in marks.items())


def submit(server: Server, wanted: Start) -> bool:
    """Start one; False when that very run is already there."""
    template, shard = f"{wanted.key.feed}-{wanted.key.stage}", str(wanted.key.shard)
    if not server.submit(template, wanted.name, {"shard": shard}, {}):
        return False
    print(f"STARTED {wanted.name}: {wanted.lag} {wanted.what}", flush=True)  # noqa: T201 -- the pod's log is what operators read
    return True


def _stages(feed: Feed) -> Iterable[tuple[str, str]]:
    return [("relay", "request"), ("sub", "response")] if feed.partner else [("sub", "response")]


__all__ = ["Start", "sweep"]
