"""Two kills in one story: every pair that differs, by `make proof PAIRS=1`; a seeded sample by SAMPLE=n."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from proof.matrix import faultless
from proof.pairs import pairs, play, sample, table

if TYPE_CHECKING:
    from proof.scene import Stage


@pytest.mark.skipif(not os.environ.get("PAIRS"), reason="make proof PAIRS=1 plays it")
def test_two_kills_in_one_story__end_like_the_run_without(stage: Stage) -> None:
    """POINT='pub, relay: Producer.flush' plays the pairs that begin so."""
    began, size, wanted = time.monotonic(), int(os.environ.get("SAMPLE") or 0), os.environ.get("POINT") or ""
    every = [pair for pair in pairs(stage, faultless(stage)) if pair.point.startswith(wanted)]
    assert every, f"no pair begins with {wanted!r}"
    chosen = sample(every, size, int(os.environ.get("SEED") or 0)) if size else every
    played = []
    for pair, verdict in play(stage, chosen):
        played.append((pair, verdict))
        print("." if not verdict.differences else f"\n{pair.point}\n    {verdict.differences}", end="", flush=True)
    print(f"\n{table(played)}\n{len(played)} of {len(every)} pairs, {time.monotonic() - began:.0f} s")
    assert [pair.point for pair, verdict in played if verdict.differences] == []
