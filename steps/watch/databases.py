"""One sweep over several databases: each is served for itself, all at once, and the RESULT line tells of all."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ledger.databases import variable
from steps.run.execution import Outcome
from steps.run.status import Status
from steps.watch.faults import worst

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: So many are served at once. One that is away costs its own turn five seconds.
AT_ONCE = 8


def sweep_each(databases: Sequence[str], sweep: Callable[[str], Outcome]) -> Outcome:
    """Sweep every database by `sweep`, which raises nothing."""
    if len(databases) == 1:
        return sweep(databases[0])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = dict(zip(databases, pool.map(sweep, databases), strict=True))
    counts: Counter[str] = Counter()
    for each in outcomes.values():
        counts.update({name: count for name, count in each.counts.items() if isinstance(count, int)})
    reasons = [f"{variable(name)}: {each.reason}" for name, each in outcomes.items() if each.reason]
    code = worst({each.exit for each in outcomes.values()})
    status = Status.FAILED if code else Status.SUCCEEDED
    return Outcome(status, code or None, "; ".join(reasons) or None, dict(counts))
