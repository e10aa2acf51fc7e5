"""The whole step against its floor, in turn: a pod drains the topic; COPY writes the same rows, ready made."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import psycopg

from benchmarks import bare, floor, pod
from benchmarks.line import line, verdict

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.servers import Servers

A_MILLION = 1_000_000
RATIO, GUARANTEES, PEAK = 1.5, 1.15, 150.0


@dataclass
class Step:
    """Seconds of each repetition, and the pod's peaks."""

    messages: int
    pods: list[float] = field(default_factory=list)
    """The pod's whole process: exec to exit."""
    runs: list[float] = field(default_factory=list)
    """Of that, from the run's first row in the ledger to its last."""
    floors: list[float] = field(default_factory=list)
    bares: list[float] = field(default_factory=list)
    """The same without the guarantees: a whole process too."""
    bare_cpus: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return median(self.pods) / median(self.floors)

    @property
    def guarantees(self) -> float:
        """What they cost: the pod's time over that of a sink without them."""
        return median(self.pods) / median(self.bares)

    @property
    def pairs(self) -> list[float]:
        """Each repetition's own ratio: what came in turn was disturbed alike."""
        return [taken / least for taken, least in zip(self.pods, self.floors, strict=True)]


def measure(servers: Servers, messages: int, repetitions: int, folder: Path) -> Step:
    """Drain and COPY, in turn. The first drain warms up and writes down the floor's rows; it is not counted."""
    found, rows = Step(messages), folder / "rows.copy"
    with servers.fresh() as url:
        drained(servers, url, messages)
        floor.export(url, rows)
    for _ in range(repetitions):
        with servers.fresh() as url:
            ended = drained(servers, url, messages)
            found.pods.append(ended.seconds)
            found.runs.append(run_seconds(url))
            found.cpus.append(ended.cpu)
            found.peaks.append(ended.peak)
        with servers.fresh() as url:
            found.floors.append(float(pod.run("-m", "benchmarks.floor", url, str(rows)).stdout))
        with servers.fresh() as url:
            ended = unguarded(servers, url, messages)
            found.bares.append(ended.seconds)
            found.bare_cpus.append(ended.cpu)
    return found


def unguarded(servers: Servers, url: str, messages: int) -> pod.Ended:
    with psycopg.connect(url) as connection:
        connection.execute(bare.TABLE.encode())
        connection.execute(bare.KEY.encode())
    ended = pod.run("-m", "benchmarks.bare", env=servers.environment(url))
    assert ended.stdout.split() == [str(messages)], ended.stdout
    return ended


def drained(servers: Servers, url: str, messages: int) -> pod.Ended:
    ended = pod.sub("price", servers.environment(url))
    assert ended.result("loaded") == str(messages), ended.stdout
    return ended


def run_seconds(url: str) -> float:
    """What the ledger says the run took: without the interpreter, the imports and the exit."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT extract(epoch FROM ended_at - started_at) FROM feedfall.run").fetchone()
    assert row
    return float(row[0])


def table(found: Step) -> str:
    speed, peak = found.messages / median(found.pods) / 1000, max(found.peaks)
    return "\n".join(
        [
            f"\n{'The whole step':44}{'best':>10}{'median':>10}",
            line("the pod's process, exec to exit", found.pods),
            line("of that, first to last row of the ledger", found.runs),
            line("of that, CPU", found.cpus),
            line("COPY of the same rows, ready made", found.floors),
            _ratio("ratio of the medians", found.ratio, RATIO, found.messages),
            line("the same without the guarantees", found.bares),
            line("of that, CPU", found.bare_cpus),
            _ratio("what they cost, ratio of the medians", found.guarantees, GUARANTEES, found.messages),
            f"{'ratio of each pair, best and median':44}{min(found.pairs):>10.2f}{median(found.pairs):>10.2f}",
            f"{'speed':44}{'':10}{speed:>6.0f} k/s",
            f"{'peak memory, the highest':44}{'':10}{peak:>6.0f} MiB   {verdict(peak, PEAK, ' MiB')}",
        ]
    )


def _ratio(name: str, ratio: float, target: float, messages: int) -> str:
    judged = verdict(ratio, target, "") if messages >= A_MILLION else "judged at a million messages"
    return f"{name:44}{'':10}{ratio:>10.2f}   {judged}"
