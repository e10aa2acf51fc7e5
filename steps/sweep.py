"""sweep: once a minute, for all feeds: is there something to read and no run that reads it? Start one.

The doorbell makes a run start quickly; the sweep makes it start surely. It compares the log's end with the checkpoint,
so a lost doorbell, a dead pod and a message without a doorbell all look alike.

It also reports what did not come: requests without an answer, absent feeds (`watch.report`), and delivers that to a
webhook (`watch.webhook`). Each feed and each part fails alone (`watch.faults`): one feed's missing right is no reason
to start no other feed, and Argo's outage none to hide an absence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from catalog import Policy
from ledger import control, heartbeat, lease, quarantine, request
from ledger.database import rollback
from ledger.key import LeaseKey
from ledger.run import last
from steps.drain import checkpoint
from steps.drain.kafka import Cluster
from steps.pub import left_between
from steps.run import calendars, gate
from steps.run.execution import Execution, Outcome
from steps.run.exits import Failure, Misconfigured
from steps.run.status import Status
from steps.watch.argo import Server
from steps.watch.faults import Faults
from steps.watch.pauses import PAUSES, rests
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
    what: str = "offsets behind"
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Fixed by what is to be done and by five minutes: a second start is refused by the cluster itself.

        The five minutes are for a run that ended before it could take the lease (stopped, no image, no database): its
        Workflow keeps the name for days, and no other run would raise the epoch. A run that takes the lease and fails
        raises it: until Argo has given that one up nothing is due (`watch.pauses`).
        """
        key = f"{self.key.feed}-{self.key.stage}"
        return f"{key}-epoch-{self.epoch}-{int(self.at.timestamp()) // AGAIN}"


def sweep(execution: Execution, feeds: Sequence[Feed], unusable: Mapping[str, str] | None = None) -> Outcome:
    """Start what is due; report what is overdue, absent and back again. `unusable`: feed files, and why."""
    counts: dict[str, int] = {}
    faults = Faults(execution)
    for name, words in (unusable or {}).items():
        faults.add(name, Misconfigured(words))
    for part, what in PARTS.items():
        if execution.connection.closed:
            break
        with faults.turn(what):
            counts |= part(execution, feeds, faults)
    if not execution.connection.closed:
        with faults.turn("heartbeat"):
            heartbeat.record(execution.connection, execution.run, good=not faults.counts)
    counts |= faults.counts
    faults.say_shared()
    if faults.counts:
        return Outcome(Status.FAILED, faults.worst, faults.reason(), counts)
    return Outcome(Status.SUCCEEDED, counts=counts)


def start_due(execution: Execution, feeds: Sequence[Feed], faults: Faults) -> dict[str, int]:
    """Start each drain that has something to read and no run that reads it."""
    lag: dict[str, int] = {}
    starts = due(execution, _in_turn(feeds, execution.now()), faults, lag)
    heartbeat.record_lag(execution.connection, lag)
    started = 0
    argo = execution.settings.argo
    if starts and argo:
        with Server(argo, seconds=10) as server:
            for each in starts:
                with faults.turn(each.key.feed):
                    faults.check_time()
                    started += submit(server, each)
    return {"due": len(starts), "started": started}


def _in_turn(feeds: Sequence[Feed], now: datetime) -> Sequence[Feed]:
    """Each minute another feed is first: where the time is too short for all, none is always the last."""
    first = int(now.timestamp()) // 60 % max(1, len(feeds))
    return [*feeds[first:], *feeds[:first]]


def report_overdue(execution: Execution, feeds: Sequence[Feed], faults: Faults) -> dict[str, int]:  # noqa: ARG001 -- the form of a part
    """Report requests without an answer."""
    found = request.fetch_overdue(execution.connection, OVERDUE)
    for late in found:
        until = f"; deferred until {late.retry_at:%Y-%m-%d %H:%M %Z}: {late.retry_reason}" if late.retry_at else ""
        words = f"OVERDUE {late.feed} {late.base_date} seq {late.seq}: sent {late.seconds / 60:.0f} min ago, no answer"
        print(" ".join(f"{words}{until}".split()))  # noqa: T201 -- the pod's log is what operators read
    return {"overdue": len(found)}


def refresh_calendars(execution: Execution, feeds: Sequence[Feed], faults: Faults) -> dict[str, int]:  # noqa: ARG001 -- likewise
    """Refresh the copies of calendars whose home is elsewhere."""
    calendars.refresh(execution, {feed.calendar for feed in feeds})
    return {}


def deliver_notices(execution: Execution, feeds: Sequence[Feed], faults: Faults) -> dict[str, int]:  # noqa: ARG001 -- likewise
    """Deliver notices to the webhook that it has not received yet."""
    return {"undelivered": deliver(execution)}


#: The parts of a sweep, and their names where one fails as a whole.
PARTS = {
    start_due: "starts",
    report_overdue: "overdue requests",
    refresh_calendars: "calendars",
    watch: "absence",
    deliver_notices: "webhook",
}


def due(
    execution: Execution, feeds: Sequence[Feed], faults: Faults | None = None, lag: dict[str, int] | None = None
) -> list[Start]:
    """Find drains with something to read, an open gate and a free lease. Without `faults` the first one is raised.

    `lag` is given the offsets that wait for sub, of each feed whose topic was looked at: for the desk.
    """
    lag = {} if lag is None else lag
    faults = faults or Faults(execution, raising=True)
    cluster, prefix = Cluster(execution.settings), execution.settings.topic_prefix
    drains: list[tuple[Feed, str, str]] = []
    for feed in feeds:
        with faults.turn(feed.name):
            drains += [(feed, stage, feed.topic(kind, prefix)) for stage, kind in _stages(feed)]
    refused: dict[str, Failure] = {}
    topics = cluster.topics({topic for _, _, topic in drains}, refused)
    lease.cap(execution.connection, execution.settings.lease_seconds)
    states = lease.states(execution.connection)
    found: list[Start] = []
    for feed, stage, name in drains:
        with faults.turn(feed.name):
            faults.check_time()
            if name in refused:
                raise refused[name]
            if name in topics:
                found += _drains(execution, cluster, feed, stage, topics[name], states, lag)
            else:
                print(f"MISSING topic {name} of feed {feed.name} does not exist: create it")  # noqa: T201 -- likewise
    with faults.turn("deferred requests"):
        found += _retries(execution, feeds, states, found)
    with faults.turn("releases"):
        found += _releases(execution, feeds, states)
    with faults.turn("orders that were left"):
        found += orders_left(execution, feeds)
    found = [each for each in found if not _rests(execution, each)]
    rollback(execution.connection)
    return found


def orders_left(execution: Execution, feeds: Sequence[Feed]) -> Iterable[Start]:
    """Orders that were kept during a hold, or that a pub recorded and never sent, where the gate is open.

    One pub sends all of a feed: it is told the first of them, which was judged by the calendar when it was ordered.
    """
    now, names = execution.now(), {feed.name for feed in feeds}
    for each in request.fetch_left_feeds(execution.connection, *left_between(now)):
        if each.feed not in names or gate.refusal(control.state(execution.connection, each.feed), "pub", now):
            continue
        what = "orders that were kept" if each.kept else "orders that were recorded and never sent"
        first = {"base-date": each.base_date.isoformat(), "seq": str(each.seq), "policy": Policy.ANYWAY.value}
        epoch = int(each.since.timestamp())
        yield Start(LeaseKey(each.feed, "pub"), epoch, each.count, now, what, first)


def _rests(execution: Execution, wanted: Start) -> bool:
    """Did its last runs fail, so that it is too early for another?"""
    runs = last(execution.connection, wanted.key, len(PAUSES))
    return rests(wanted.key.stage, runs, execution.now())


def _drains(
    execution: Execution,
    cluster: Cluster,
    feed: Feed,
    stage: str,
    topic: Topic,
    states: Mapping[LeaseKey, Mapping[int, lease.LeaseState]],
    lags: dict[str, int],
) -> Iterable[Start]:
    """The drain of one topic, where the gate is open."""
    if gate.refusal(control.state(execution.connection, feed.name), stage, execution.now()):
        return
    key = LeaseKey(feed.name, stage)
    lag = _waiting(execution, cluster, key, topic, states.get(key, {}))
    if lag is None:
        return
    if stage == "sub":
        lags[feed.name] = lag
    if lag > 0:
        yield Start(key, _epochs(states, key), lag, execution.now())


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
            yield Start(LeaseKey(feed, "release"), _epochs(states, key), sum(counts.values()), now, "rows due")


def _retries(
    execution: Execution,
    feeds: Sequence[Feed],
    states: Mapping[LeaseKey, Mapping[int, lease.LeaseState]],
    found: Sequence[Start],
) -> Iterable[Start]:
    """Deferred requests that are due, where the gate is open and no relay runs or is to be started anyway."""
    now, started = execution.now(), {each.key for each in found}
    deferred = request.fetch_due_feeds(execution.connection, now)
    for feed in feeds:
        key = LeaseKey(feed.name, "relay")
        is_free = all(state.is_free for state in states.get(key, {}).values())
        if not (feed.partner and feed.name in deferred and is_free) or key in started:
            continue
        if not gate.refusal(control.state(execution.connection, feed.name), "relay", now):
            yield Start(key, _epochs(states, key), deferred[feed.name], now, "deferred requests due")


def _waiting(
    execution: Execution, cluster: Cluster, key: LeaseKey, topic: Topic, states: Mapping[int, lease.LeaseState]
) -> int | None:
    """How many offsets wait that no run has; None: not looked at. Only sub shares: a relay at work has all of them."""
    free = [partition for partition in topic.partitions if _is_free(states, partition)]
    if not free or (key.stage == "relay" and len(free) < len(topic.partitions)):
        return None
    behind = checkpoint.behind(execution.connection, cluster, key, topic)
    return sum(behind.get(partition, 0) for partition in free)


def _is_free(states: Mapping[int, lease.LeaseState], partition: int) -> bool:
    return states.get(partition, lease.LeaseState()).is_free


def _epochs(states: Mapping[LeaseKey, Mapping[int, lease.LeaseState]], key: LeaseKey) -> int:
    return sum(state.epoch for state in states.get(key, {}).values())


def submit(server: Server, wanted: Start) -> bool:
    """Start one; False when that very run is already there."""
    if not server.submit(f"{wanted.key.feed}-{wanted.key.stage}", wanted.name, wanted.parameters, {}):
        return False
    print(f"STARTED {wanted.name}: {wanted.lag} {wanted.what}", flush=True)  # noqa: T201 -- the pod's log is what operators read
    return True


def _stages(feed: Feed) -> Iterable[tuple[str, str]]:
    return [("relay", "request"), ("sub", "response")] if feed.partner else [("sub", "response")]


__all__ = ["Start", "sweep"]
