"""At least a thousand kills at random instants, up to four pods of one feed at once: nothing lost, nothing twice."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from typing import TYPE_CHECKING

from proof.matrix import crew
from proof.storm import KINDS, Storm, rage

if TYPE_CHECKING:
    from proof.scene import Stage

KILLS, EACH = 1000, 40


def test_a_thousand_kills_at_random_instants__nothing_lost_and_nothing_twice(stage: Stage) -> None:
    """SEED= repeats who is struck when."""
    began, seed = time.monotonic(), int(os.environ.get("SEED") or random.randrange(10**6))
    print(f"\nSEED={seed}", flush=True)
    storms = [Storm(f"storm{seed}x{number:03}", tuple(KINDS)[number % 2], seed) for number in range(KILLS // EACH)]
    stage.lay_out([(storm.name, KINDS[storm.kind][0]) for storm in storms], partitions=3)
    struck: Counter[str] = Counter()
    with crew(2) as pool:
        ended = list(pool.map(rage, [stage.servers] * len(storms), storms, [EACH] * len(storms)))
    for storm in ended:
        struck += storm.struck
        print(
            f"{storm.name} {storm.kind:<4} {storm.kills} kills, {storm.rows} rows, {storm.seconds:.0f} s",
            *storm.differences,
        )
    print("struck:", ", ".join(f"{what} {count}" for what, count in sorted(struck.items())))
    print(f"{sum(storm.kills for storm in ended)} kills, {time.monotonic() - began:.0f} s, SEED={seed}")
    assert [storm.name for storm in ended if storm.differences] == []
    assert sum(storm.kills for storm in ended) >= KILLS
