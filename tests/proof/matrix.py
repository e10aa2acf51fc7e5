"""The matrix: every call to the outside with every fault, each in a world of its own, held against a run without."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from proof.pod import Hung, Pods, preload
from proof.scene import SCENES, batches
from proof.tap import FAULTS, LOST_REPLY, Plan
from proof.world import LEASE, PASSING, Facts, Unrecovered, world
from steps.run.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from proof.pod import Pod
    from proof.scene import Scene, Stage
    from proof.world import Servers, World

#: Most of a trial is waiting: for a lease to expire, for a server. So many at once on each core.
A_CORE = 5
#: How often the keeper renews depends on the machine; so often it surely does.
SURELY = 2
#: Seconds; then a successor that waits for the frozen pod is let go on, and that is told.
FROZEN, FROZEN_AT_MOST = 3 * LEASE, 20.0


@dataclass(frozen=True)
class Trial:
    """One point and one fault (None: the run without), in the world of this name."""

    world: str
    scene: str
    plan: Plan | None = None
    expected: Facts | None = None
    variant: str = ""

    @property
    def point(self) -> str:
        """What `make proof POINT=…` takes."""
        return f"{self.scene}:{self.plan}"


@dataclass
class Verdict:
    """How a trial ended. `differences` is empty where the promise held."""

    trial: Trial
    outcome: str = "?"
    struck: bool = False
    starts: int = 0
    waited: bool = False
    """Did the successor of a frozen pod come to its end only after the thaw?"""
    differences: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    facts: Facts | None = None
    seconds: float = 0.0

    def told(self) -> str:
        """A dot where the promise held; otherwise what differs, and how to play it again."""
        if not self.differences:
            return "."
        return f"\n{self.outcome} make proof POINT='{self.trial.point}'\n    " + "\n    ".join(self.differences) + "\n"


def faultless(stage: Stage, scenes: Sequence[str] = tuple(SCENES), variant: str = "") -> list[Verdict]:
    """The runs without faults: what the points are, and what every other run must come to."""
    found = list(play(stage, [Trial(stage.name(), scene, variant=variant) for scene in scenes]))
    for verdict in found:
        assert verdict.facts, verdict.differences
        if not variant:
            assert verdict.facts.differences(verdict.facts, ()) == []
            rows = [row[:3] for row in verdict.facts.found["rows"]]
            assert rows == SCENES[verdict.trial.scene].loads, "the run without faults is wrong already"
    return found


def trials(stage: Stage, found: Sequence[Verdict], variant: str = "") -> list[Trial]:
    """Every point of these runs, with every fault."""
    return [
        Trial(stage.name(), run.trial.scene, plan, run.facts, variant)
        for run in found
        for plan in points(run.calls, SCENES[run.trial.scene])
    ]


def points(calls: Sequence[str], scene: Scene) -> list[Plan]:
    """Every call of the run without faults, before and after it, with every fault; and its lost reply."""
    plans = []
    for call in calls:
        name, _, number = call.rpartition("#")
        if scene.only and int(number) > SURELY:
            continue
        if name.startswith(scene.only) and (scene.only or not name.startswith("keeper's ")):
            plans += [Plan(name, int(number), side, fault) for fault in FAULTS for side in ("before", "after")]
            if "pg " in name and not name.endswith(("connect", "close")):
                plans.append(Plan(name, int(number), "during", LOST_REPLY))
    return plans


def play(stage: Stage, trials: Sequence[Trial]) -> Iterator[Verdict]:
    """All trials, many at once, on topics that are laid out before and cleared away after."""
    with crew(A_CORE) as pool:
        for some in batches(trials):
            worlds = [(trial.world, SCENES[trial.scene]) for trial in some]
            stage.lay_out(worlds)
            yield from pool.map(perform, [stage.servers] * len(some), some)
            stage.clear_away(worlds)


def crew(a_core: int) -> ProcessPoolExecutor:
    """Processes that are ready to fork pods. Spawned: a fork would inherit the threads of our own Kafka clients."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ProcessPoolExecutor(a_core * cores, multiprocessing.get_context("spawn"), preload)


def perform(servers: Servers, trial: Trial) -> Verdict:
    """Strike, recover, compare."""
    began, scene, verdict = time.monotonic(), SCENES[trial.scene], Verdict(trial)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            Pods(Path(folder), scene.linger, trial.variant) as pods,
            world(servers, trial.world, pods) as here,
        ):
            _perform(here, scene, verdict)
    except (Hung, Unrecovered) as error:
        verdict.differences.append(str(error))
    verdict.seconds = time.monotonic() - began
    return verdict


def _perform(here: World, scene: Scene, verdict: Verdict) -> None:
    trial = verdict.trial
    pod = here.start(scene.words, plan=trial.plan)
    pod.wait()
    if pod.stopped:
        _freeze(here, scene, pod, verdict)
    verdict.outcome, verdict.calls, verdict.struck = _ending(pod), pod.journal(), pod.was_struck()
    if pod.code not in (*PASSING, -signal.SIGKILL, -signal.SIGTERM):
        verdict.differences.append(f"the pod ended with {pod.code}:\n{pod.printed()}")
    # What died before its call is started again by Argo; what died after it is found by a doorbell.
    retry = pod.uid if trial.plan and trial.plan.side == "before" else ""
    verdict.starts += here.to_the_end(scene.words, retry)
    for words in scene.then:
        here.to_the_end(words)
    verdict.facts = here.facts()
    if trial.plan and not verdict.struck:
        verdict.differences.append("the point was not reached")
    if trial.expected:
        verdict.differences += verdict.facts.differences(trial.expected, compared(scene, trial.plan))


def compared(scene: Scene, plan: Plan | None) -> list[str]:
    """What must equal the run without faults."""
    cut = plan is not None and plan.fault == "SIGTERM"
    return [f"{name}, however chunks are cut" if cut and name == "fates of sub" else name for name in scene.same]


def _freeze(here: World, scene: Scene, zombie: Pod, verdict: Verdict) -> None:
    """Frozen for three leases and until a successor is done; woken, it must write nothing more."""
    frozen = time.monotonic()
    signal.signal(signal.SIGALRM, lambda *_: zombie.thaw())  # should the successor wait for it
    signal.setitimer(signal.ITIMER_REAL, FROZEN_AT_MOST)
    verdict.starts += here.to_the_end(scene.words)
    verdict.waited = not zombie.stopped
    before = here.spans_of(zombie.uid)
    time.sleep(max(0.0, frozen + FROZEN - time.monotonic()))
    signal.setitimer(signal.ITIMER_REAL, 0)
    zombie.thaw()
    zombie.wait()
    if here.spans_of(zombie.uid) != before:
        verdict.differences.append("the zombie wrote after its successor had finished")


def _ending(pod: Pod) -> str:
    if pod.code is not None and pod.code < 0:
        return signal.Signals(-pod.code).name
    if pod.code == Exit.TRANSIENT and pod.result().get("status") == "FAILED":
        return "transient"
    return pod.result().get("status", f"exit {pod.code}").lower()


def table(verdicts: Sequence[Verdict]) -> str:
    """How the points of each scene and fault ended, a line each."""
    lines = [f"{'scene':<8} {'fault':<13} {'points':>6} {'runs':>6} {'differ':>6}   how the struck pod ended"]
    for scene, fault in dict.fromkeys(
        (each.trial.scene, each.trial.plan.fault) for each in verdicts if each.trial.plan
    ):
        mine = [
            each for each in verdicts if each.trial.plan and (each.trial.scene, each.trial.plan.fault) == (scene, fault)
        ]
        places = {(each.trial.plan.name, each.trial.plan.number) for each in mine}
        ends = Counter(each.outcome for each in mine)
        told = ", ".join(f"{count} {end}" for end, count in ends.most_common())
        waited = sum(each.waited for each in mine)
        told += f"; {waited} successors waited for the thaw" if waited else ""
        wrong = sum(bool(each.differences) for each in mine)
        lines.append(f"{scene:<8} {fault:<13} {len(places):>6} {len(mine):>6} {wrong:>6}   {told}")
    return "\n".join(lines)
