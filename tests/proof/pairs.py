"""Two strikes in one story: a pod dies, then the next one that acts on what it left dies as well.

    first stage ──SIGKILL──▶ second stage ──SIGKILL──▶ the first again (Argo's retry), the second again, … to the end

What the second pod meets depends only on what the first has left outside, and that changes only at some calls
(`EFFECTS`): a strike at any other call leaves what the last effect before it left. So a pod is struck before its first
effect and after each of them, and pairs of these are all pairs that differ.
"""

from __future__ import annotations

import random
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from proof.matrix import A_CORE, Verdict, crew
from proof.pod import Hung, Pods
from proof.scene import ONE, PUB, RELAY, SCENES, SUB, batches
from proof.tap import Plan
from proof.world import PASSING, Facts, Unrecovered, world

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from proof.scene import Stage
    from proof.world import Servers, World

#: What changes the world outside: a commit, a statement that commits by itself, a confirmed message.
EFFECTS = (
    "pg commit",
    "pg lease.take",
    "pg lease.release",
    "pg run.finish",
    "pg request.order",
    "pg request.sent",
    "Producer.flush",
    "Producer.init_transactions",
    "Producer.commit_transaction",
)


@dataclass(frozen=True)
class Story:
    """A scene, whose two stages are struck one after the other; `calls_of`: the scene whose run shows the second's."""

    name: str
    scene: str
    first: Sequence[str]
    second: Sequence[str]
    calls_of: str
    then: Sequence[Sequence[str]]
    """In this order everything is started again, each until it says that it is done."""


STORIES = (
    Story("pub, relay", "pub", PUB, RELAY, "relay", (PUB, RELAY, SUB)),
    Story("day, relay", "day", ONE, RELAY, "relay", (ONE, RELAY, SUB)),
    Story("relay, sub", "relay", RELAY, SUB, "sub", (RELAY, SUB)),
    Story("pub, pub", "pub", PUB, PUB, "pub", (PUB, RELAY, SUB)),
    Story("relay, relay", "relay", RELAY, RELAY, "relay", (RELAY, SUB)),
    Story("sub, sub", "sub", SUB, SUB, "sub", (SUB,)),
    Story("merge, merge", "merge", SUB, SUB, "merge", (SUB,)),
)


@dataclass(frozen=True)
class Pair:
    """Two points of a story, in the world of this name."""

    world: str
    story: Story
    first: Plan
    second: Plan
    expected: Facts

    @property
    def point(self) -> str:
        """What is printed, to be found again."""
        return f"{self.story.name}: {self.first} then {self.second}"


def strikes(calls: Sequence[str]) -> list[Plan]:
    """Before the first effect, and after each: every state in which a pod can leave the world."""
    effects = [call.rpartition("#") for call in calls if call.rpartition("#")[0] in EFFECTS]
    name, _, number = effects[0]
    before = Plan(name, int(number), "before", "SIGKILL")
    return [before, *(Plan(name, int(number), "after", "SIGKILL") for name, _, number in effects)]


def pairs(stage: Stage, found: Sequence[Verdict]) -> list[Pair]:
    """Every pair of every story."""
    runs = {run.trial.scene: run for run in found}
    made = []
    for story in STORIES:
        expected = runs[story.scene].facts
        assert expected
        made += [
            Pair(stage.name(), story, first, second, expected)
            for first in strikes(runs[story.scene].calls)
            for second in strikes(runs[story.calls_of].calls)
        ]
    return made


def sample(every: Sequence[Pair], size: int, seed: int) -> list[Pair]:
    """So many of them, the same ones for the same seed, of every story alike."""
    drawn, chosen = random.Random(seed), []
    for story in STORIES:
        mine = [pair for pair in every if pair.story is story]
        chosen += drawn.sample(mine, min(max(1, size // len(STORIES)), len(mine)))
    return chosen


def play(stage: Stage, chosen: Sequence[Pair]) -> Iterator[tuple[Pair, Verdict]]:
    """Play them, many at once."""
    with crew(A_CORE) as pool:
        for some in batches(chosen):
            worlds = [(pair.world, SCENES[pair.story.scene]) for pair in some]
            stage.lay_out(worlds)
            yield from zip(some, pool.map(perform, [stage.servers] * len(some), some), strict=True)
            stage.clear_away(worlds)


def perform(servers: Servers, pair: Pair) -> Verdict:
    """Strike twice, recover, compare."""
    verdict = Verdict(pair)  # type: ignore[arg-type] # it only carries it
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            Pods(Path(folder)) as pods,
            world(servers, pair.world, pods) as here,
        ):
            _perform(here, pair, verdict)
    except (Hung, Unrecovered) as error:
        verdict.differences.append(str(error))
    return verdict


def _perform(here: World, pair: Pair, verdict: Verdict) -> None:
    first = here.start(pair.story.first, plan=pair.first)
    first.wait()
    if not first.was_struck():
        verdict.differences.append("the first point was not reached")
    # The same stage again is Argo's retry of the same Workflow: it takes its own lease back.
    uid = first.uid if pair.story.first == pair.story.second else ""
    second = here.start(pair.story.second, uid, pair.second)
    second.wait()
    verdict.struck = second.was_struck()
    if second.code not in (*PASSING, -signal.SIGKILL):
        verdict.differences.append(f"the second pod ended with {second.code}:\n{second.printed()}")
    for words in pair.story.then:
        here.to_the_end(words, first.uid if words == pair.story.first else "")
    verdict.differences += here.facts().differences(pair.expected, SCENES[pair.story.scene].same)


def table(played: Sequence[tuple[Pair, Verdict]]) -> str:
    """How the pairs of each story ended, a line each. `reached`: the second pod came to its point."""
    lines = [f"{'story':<13} {'pairs':>6} {'reached':>8} {'differ':>7}"]
    for story in STORIES:
        mine = [verdict for pair, verdict in played if pair.story is story]
        wrong = sum(bool(verdict.differences) for verdict in mine)
        lines.append(f"{story.name:<13} {len(mine):>6} {sum(each.struck for each in mine):>8} {wrong:>7}")
    return "\n".join(lines)
