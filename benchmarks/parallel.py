"""1, 2 and 4 runs of sub at once over a topic of four partitions: how many times as fast, each row exactly once."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import psycopg

from benchmarks import pod
from benchmarks.line import at_least, line

if TYPE_CHECKING:
    from benchmarks.servers import Servers

#: Runs at once → how many times as fast as one, where each has a core.
AIMS = {1: None, 2: 1.6, 4: 2.5}
A_MILLION = 1_000_000


@dataclass
class Parallel:
    """Seconds from the first start to the last end, by how many runs were started at once."""

    messages: int
    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    seconds: dict[int, list[float]] = field(default_factory=lambda: {runs: [] for runs in AIMS})
    fewest: dict[int, int] = field(default_factory=dict)
    """The fewest rows that one of them loaded."""

    def times(self, runs: int) -> float:
        return median(self.seconds[1]) / median(self.seconds[runs])


def measure(servers: Servers, messages: int, repetitions: int) -> Parallel:
    """In turn, so that what disturbs one disturbs the others. The first run warms up, and is not counted."""
    found = Parallel(messages)
    drained(servers, messages, 1)
    for _ in range(repetitions):
        for runs in AIMS:
            seconds, loaded = drained(servers, messages, runs)
            found.seconds[runs].append(seconds)
            found.fewest[runs] = min([*loaded, found.fewest.get(runs, messages)])
    return found


def drained(servers: Servers, messages: int, runs: int) -> tuple[float, list[int]]:
    """The topic by so many pods at once: seconds, and how many rows each loaded."""
    with servers.fresh() as url, ThreadPoolExecutor(runs) as pool:
        env = {**servers.environment(url), "FEEDFALL_FEEDS": "benchmarks.parallel_feeds", "BENCH_PARALLEL": str(runs)}
        began = time.monotonic()
        ended = list(pool.map(lambda _: pod.sub("price", env), range(runs)))
        seconds = time.monotonic() - began
        with psycopg.connect(url) as connection:
            rows = connection.execute("SELECT count(*), count(DISTINCT (_source, _offset)) FROM price").fetchone()
    loaded = [int(each.result("loaded")) for each in ended]
    assert rows == (messages, messages), rows
    assert sum(loaded) == messages, loaded
    return seconds, loaded


def table(found: Parallel) -> str:
    lines = [f"\n{f'Runs at once, {found.cores} cores':44}{'best':>10}{'median':>10}"]
    for runs, aim in AIMS.items():
        lines.append(line(f"{runs} of sub, first start to last end", found.seconds[runs]))
        if aim:
            lines.append(f"{'times as fast as one':44}{'':10}{found.times(runs):>10.2f}   {_verdict(found, runs, aim)}")
            lines.append(f"{'the fewest rows that one of them loaded':44}{'':10}{found.fewest[runs]:>10,}")
    return "\n".join(lines)


def _verdict(found: Parallel, runs: int, aim: float) -> str:
    """The aims are for four cores; on fewer it is only reported."""
    if found.messages < A_MILLION:
        return "judged at a million messages"
    if found.cores < max(AIMS):
        return f"reported: the aim of {aim:g} is for {max(AIMS)} cores"
    return at_least(found.times(runs), aim)
