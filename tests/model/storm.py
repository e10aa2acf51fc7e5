"""The lease under a storm: Hypothesis rings, kills, pauses, cuts and holds as it likes, and shrinks what breaks."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from model.scenario import Scenario
from model.world import World

#: Pods that may ring in one game.
PODS = 5


class Storm(RuleBasedStateMachine):
    """What may happen at any time. What must never be is checked after each act, and once more at the end."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        world.begin(Scenario(uids={}, there=0, partitions=2, pods=2))

    def ready(self) -> list[str]:
        return [name for name, pod in self.world.pods.items() if pod.ready]

    @precondition(lambda self: len(self.world.pods) < PODS)
    @rule(uid=st.sampled_from(["one", "two", "three"]))
    def ring(self, uid: str) -> None:
        self.world.act(("ring", uid))

    @rule()
    def message(self) -> None:
        self.world.act(("message", ""))

    @precondition(lambda self: self.ready())
    @rule(data=st.data(), steps=st.integers(1, 6))
    def step(self, data: st.DataObject, steps: int) -> None:
        name = data.draw(st.sampled_from(self.ready()))
        for _ in range(steps):
            if self.world.pods[name].ready:
                self.world.act(("step", name))

    @precondition(lambda self: "operator" not in self.world.pods and self.ready())
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        self.world.act(("crash", data.draw(st.sampled_from(self.ready()))))

    @precondition(lambda self: any(pod.ready and pod.due == "commit" for pod in self.world.pods.values()))
    @rule(data=st.data())
    def cut(self, data: st.DataObject) -> None:
        names = [name for name in self.ready() if self.world.pods[name].due == "commit" and name != "operator"]
        if names:
            self.world.act(("cut", data.draw(st.sampled_from(names))))

    @precondition(lambda self: self.world.seen.alive)
    @rule()
    def expire(self) -> None:
        self.world.act(("expire", ""))

    @precondition(lambda self: self.world.leases)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        self.world.act(("renew", data.draw(st.sampled_from(sorted(self.world.leases)))))

    @precondition(
        lambda self: "operator" not in self.world.pods and not any(pod.crashed for pod in self.world.pods.values())
    )
    @rule()
    def hold(self) -> None:
        self.world.act(("hold", ""))

    def teardown(self) -> None:
        """All go on to the end, in turn; then the ledger is verified."""
        while ready := self.ready():
            self.world.act(("step", ready[0]))
        self.world.finish()


def weather(world: World, games: int, steps: int) -> None:
    """So many games, always the same ones."""
    patient: dict[str, Any] = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    chosen = settings(max_examples=games, stateful_step_count=steps, derandomize=True, **patient)
    run_state_machine_as_test(lambda: Storm(world), settings=chosen)
