"""Every point, every fault: whatever happens at whichever call, the end is the same as if nothing had happened."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from proof.matrix import faultless, play, table, trials

if TYPE_CHECKING:
    from proof.scene import Stage


def test_every_fault_at_every_point__ends_like_the_run_without(stage: Stage) -> None:
    """POINT='sub:pg commit#4:during:reply lost' plays that one alone; any beginning of it, all that begin so."""
    began, wanted = time.monotonic(), os.environ.get("POINT", "")
    chosen = [trial for trial in trials(stage, faultless(stage)) if trial.point.startswith(wanted)]
    assert chosen, f"no point begins with {wanted!r}"
    verdicts = []
    for verdict in play(stage, chosen):
        verdicts.append(verdict)
        print(verdict.told(), end="", flush=True)
    print(f"\n{table(verdicts)}\n{len(verdicts)} runs, {time.monotonic() - began:.0f} s")
    assert [verdict.trial.point for verdict in verdicts if verdict.differences] == []
