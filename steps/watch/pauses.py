"""How long the sweep leaves alone what failed: a hopeless drain costs a few Workflows an hour, not sixty. Pure.

    a run ended with 75 ─▶ Argo starts it again, for 20 minutes, under the same Workflow     nothing to do for the sweep
                        ─▶ Argo gave up, and the pause is over                              another Workflow

Each pause is longer than Argo's own before that attempt (10 s, twice as much each time, 5 min at most): the sweep
starts nothing beside a Workflow that still tries. A run that was killed without a word, and one that did something, are
followed at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from steps.run.exits import Exit
from steps.run.status import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.run import LastRun

#: After the first failure in a row, the second, …; the last one stays.
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 1, 2, 3, 4, 6))
#: How a run ends that Argo starts again though nothing has moved.
HOPELESS = (Status.FAILED, Status.OPEN_TXN)


def rests(stage: str, runs: Sequence[LastRun], now: datetime) -> bool:
    """Is it too early for another run of this stage? `runs`: the last ones, the newest first."""
    failures = _failures(stage, runs)
    if not failures or runs[0].ended_at is None:
        return False
    pause = PAUSES[min(failures, len(PAUSES)) - 1]
    return abs(now - runs[0].ended_at) < pause


def _failures(stage: str, runs: Sequence[LastRun]) -> int:
    """How many in a row, up to now. pub blocks no feed, so each failure of it counts."""
    count = 0
    for each in runs:
        again = each.exit_code == Exit.TRANSIENT or stage == "pub"
        if not again or each.status not in HOPELESS or each.loaded:
            break
        count += 1
    return count
