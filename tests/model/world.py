"""The world of the lease: pods, an operator, a log, a database; what may happen next, and what must never be.

    step X    the pod takes its next step              message   one more message on the topic
    crash X   it takes no step any more                expire    the lease's thirty seconds are over
    cut X     its COMMIT arrives, the reply does not   renew X   its heartbeat, however late
    ring U    a pod of Workflow U starts               hold      an operator holds the feed, and frees it later

A crash is a pod that stops for ever and whose backend keeps its locks; a pause is a pod that others overtake.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from ledger import control, lease, run, verify
from ledger.database import OPTIONS, connect
from ledger.key import LeaseKey
from model.database import BLANK, LOOK, TABLE, WAITING, Seen
from model.scenario import BUDGETS, Action, Broken, Scenario
from model.sink import FEED, Sink
from model.stepped import CONTROL, STEPS, Log, Pod, StepExecution, Stepped, waits_until
from steps.drain.drain import Drain, Patience, drain
from steps.run.settings import Settings

if TYPE_CHECKING:
    from ledger.lease import Lease


HELD = " WHERE expires_at IS NOT NULL"


class World:
    """One scenario being played. `step by step`: act → settle → check."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._eye = connect(url, "eye", autocommit=True)
        self._eye.execute(TABLE)
        self._pods: dict[str, Pod] = {}
        self._idle: list[Stepped] = []

    @property
    def pods(self) -> dict[str, Pod]:
        return self._pods

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
        for connection in (*self._idle, self._eye):
            connection.close()

    # -- a new game --

    def begin(self, scenario: Scenario) -> None:
        """The same beginning each time: a free lease, its checkpoint at 0, every run recorded under the same number."""
        self.clear()
        self._scenario, self.log = scenario, Log(scenario.there, scenario.partitions)
        self.left = Counter({name: getattr(scenario, name) for name in BUDGETS})
        self.promised = 0
        self.holding: int | None = None
        self.faulty = False
        self.leases: dict[str, Lease] = {}
        self._feed = replace(FEED, parallel=scenario.pods)
        self._eye.execute(f"{BLANK.format(last=scenario.partitions - 1)}; {scenario.tables}".encode())
        self._pods = {}
        for name, uid in scenario.uids.items():
            self._add(name, uid)
        for _ in range(scenario.holds):
            self._operator()
        self.seen = self._look()

    def clear(self) -> None:
        """End the game before. Who waits for a lock ends once the connection of its owner has forgotten the game."""
        for pod in self._pods.values():
            pod.unwind()
        waits_until(lambda: not self._unended())

    def _unended(self) -> bool:
        for name, pod in list(self._pods.items()):
            if pod.ended():
                self._idle += [pod.connection] if pod.connection and pod.connection.leave() else []
                del self._pods[name]
        return bool(self._pods)

    def _gone(self, pid: int) -> None:
        waits_until(lambda: not self._ask("SELECT FROM pg_stat_activity WHERE pid = %s", pid))

    def _ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._eye.execute(query.encode(), values).fetchall()

    def _add(self, name: str, uid: str) -> Pod:
        number = run.start(self._eye, LeaseKey(FEED.name, "sub"), uid, name)

        def act() -> str:
            connection = self._opens(pod)
            execution = StepExecution(
                Settings({}, self._url, uid=uid, lease_seconds=3600), connection, number, threading.Event()
            )
            execution.opens = lambda: self._opens(pod)
            client, sink = self.log.of(pod), Sink(lambda held: self.leases.update({name: held}))
            scenario = self._scenario
            if scenario.drain is Drain:
                return drain(execution, self._feed, sink, cluster=client).status
            return scenario.drain(execution, self._feed, sink, Patience(), client).run().status

        pod = self._pods[name] = Pod(name, act)
        pod.start()
        self._settle()
        return pod

    def _operator(self) -> None:
        """Holds the feed, and frees it some time later."""

        def act() -> str:
            connection = self._opens(pod)
            control.hold(connection, FEED.name, "operator", "test")
            connection.commit()
            pod.before("free")
            control.free(connection, FEED.name)
            connection.commit()
            return "FREED"

        pod = self._pods["operator"] = Pod("operator", act)
        pod.start()
        self._settle()

    def _opens(self, pod: Pod) -> Stepped:
        connection = self._idle.pop() if self._idle else Stepped.connect(self._url, options=OPTIONS)
        connection.pod, connection.mutation, connection.gone = pod, self._scenario.mutation, self._gone
        connection.steps = (*STEPS, *CONTROL) if "operator" in self._pods else STEPS
        pod.connection, pod.pid = connection, connection.info.backend_pid
        return connection

    # -- what may happen, and letting it happen --

    def actions(self) -> list[Action]:
        """In a fixed order. Only who asks for the end, or is turned away, can tell that a message came."""
        ready = [pod for pod in self._pods.values() if pod.ready]
        pods = [pod for pod in ready if pod.name != "operator" and pod.history]
        found = [("step", pod.name) for pod in ready]
        if self.left["messages"] and any(pod.due in ("ends", "lease.leases") for pod in ready):
            found.append(("message", ""))
        if self.left["crashes"]:
            found += [("crash", pod.name) for pod in pods]
        if self.left["cuts"]:
            found += [("cut", pod.name) for pod in pods if pod.due == "commit"]
        if self.left["expiries"] and ready and self.seen.alive:
            found.append(("expire", ""))
        return found

    def act(self, action: Action) -> None:
        """Let it happen, see what it did, and hold it against the promises."""
        what, name = action
        getattr(self, f"_{what}")(*([self._pods.get(name, name)] if name else []))
        self._settle()
        before, self.seen = self.seen, self._look()
        self._check(before)

    def _step(self, pod: Pod) -> None:
        if pod.due == "free":
            self.holding = None
        pod.step()

    def _ring(self, uid: str) -> None:
        """A doorbell: one more pod."""
        self._add(f"P{len(self._pods)}", uid)

    def _hold(self) -> None:
        self._operator()

    def _message(self) -> None:
        self.left["messages"] -= 1
        self.log.length += 1

    def _crash(self, pod: Pod) -> None:
        self.left["crashes"] -= 1
        self.faulty = True
        pod.crash()

    def _cut(self, pod: Pod) -> None:
        self.left["cuts"] -= 1
        self.faulty = True
        pod.cut = True
        pod.step()

    def _expire(self) -> None:
        self.left["expiries"] -= 1
        self._eye.execute("UPDATE feedfall.run SET expires_at = clock_timestamp() - interval '1 second'" + HELD)

    def _renew(self, pod: Pod) -> None:
        """Its heartbeat, by the lease that it believes to hold."""
        if pod.name in self.leases:
            lease.renew(self._eye, self.leases[pod.name], 3600)

    def _settle(self) -> None:
        """Until every pod stands before its next step, is over, or waits for a lock of one that stands or is over."""
        waits_until(self._still)

    def _still(self) -> bool:
        """Does nothing move? PostgreSQL shows its queues as of one instant: if all others wait then, none goes on."""
        moving = {pod.pid for pod in self._pods.values() if not pod.arrives(0.002)}
        return not moving or moving == {pid for (pid,) in self._ask(WAITING, list(moving))}

    # -- what must hold --

    def _look(self) -> Seen:
        return Seen(*self._ask(LOOK)[0])

    def key(self) -> tuple[object, ...]:
        """Two worlds with the same key go on alike: each pod's history, and what is there."""
        pods = tuple((pod.due, pod.status, pod.crashed, pod.history) for pod in self._pods.values())
        seen = self.seen
        return pods, repr(seen), self.log.length, tuple(self.left.values()), self.holding

    def _check(self, before: Seen) -> None:
        for partition in self.log.partitions:
            self._check_partition(partition, before)
        if self.holding is not None and len(self.seen.written) > self.holding:
            raise Broken("a chunk was committed after `hold` had returned")
        self._remember()

    def _check_partition(self, partition: int, before: Seen) -> None:
        seen = self.seen
        offsets = [offset for of, offset, _ in seen.written if of == partition]
        epochs = [epoch for of, _, epoch in seen.written if of == partition]
        was, now = before.checkpoint(partition), seen.checkpoint(partition)
        if offsets != list(range(len(offsets))):
            raise Broken(f"two writers, or a gap: offsets {offsets} were committed")
        if epochs != sorted(epochs):
            raise Broken(f"a zombie was not fenced: rows were committed under the epochs {epochs}")
        if now < was:
            raise Broken(f"the checkpoint went back from {was} to {now}")
        if now != len(offsets):
            raise Broken(f"rows up to {len(offsets)} are there, and the checkpoint says {now}")

    def _remember(self) -> None:
        """What was promised by what was just seen."""
        for pod in self._pods.values():
            if pod.status and pod.status.startswith("BUG"):
                raise Broken(f"{pod.name}: {pod.status}")
            if pod.ready and pod.due == "free" and self.holding is None:
                self.holding, self.faulty = len(self.seen.written), True
            if pod.status and pod.history[1:2] == ("lease.leases",):  # BUSY: another pod must load what is there now
                self.promised = max(self.promised, self.log.length)
                pod.note("BUSY")

    def finish(self) -> None:
        """Everybody has left. The last look, then one lease, one sweep, and `verify`."""
        stuck = [pod.name for pod in self._pods.values() if not pod.over]
        if stuck:
            raise Broken(f"{stuck} wait for ever")
        if not self.faulty and self.seen.checkpoints < self.promised:
            raise Broken(
                f"a lost wake-up: {self.promised} messages were there when a pod found BUSY, and "
                f"{self.seen.checkpoints} are loaded though nobody died"
            )
        self._sweep()
        self._books()

    def _sweep(self) -> None:
        """One lease later a sweep starts one run, alone."""
        if self.seen.checkpoints == self.log.length:
            return
        self._eye.execute("UPDATE feedfall.run SET expires_at = clock_timestamp() - interval '1 second'" + HELD)
        pod = self._add("sweep", "three")
        while not pod.over:
            self.act(("step", pod.name))
        if self.seen.checkpoints != self.log.length:
            raise Broken(f"{self.seen.checkpoints} of {self.log.length} are loaded after one lease and one sweep")

    def _books(self) -> None:
        broken = verify.verify(self._eye, self._feed).broken
        if broken:
            raise Broken(f"the ledger does not add up: {list(broken)}")

    def outcomes(self) -> dict[str, str]:
        return {pod.name: "CRASHED" if pod.crashed else str(pod.status) for pod in self._pods.values()}
