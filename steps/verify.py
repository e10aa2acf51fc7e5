"""verify: is the ledger consistent? A stage like any other; exit 83 says no, and names where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ledger.verify
from steps.run.execution import Execution, Outcome
from steps.run.status import Status

if TYPE_CHECKING:
    from catalog import Feed


def verify(execution: Execution, feed: Feed) -> Outcome:
    """Prove a feed's ledger."""
    account = ledger.verify.verify(execution.connection, feed)
    for sentence in account.broken:
        print(f"BROKEN {sentence}", flush=True)  # noqa: T201 -- the pod's log is what operators read
    counts = {
        "offsets": sum(line.next_offset - line.first_offset for line in account.lines),
        "rows": sum(line.read for line in account.lines if line.stage == "sub"),
        "skipped": sum(gap.offsets for gap in account.skipped),
        "deferred": account.deferred.count,
        "withdrawn": account.withdrawn.count,
        "broken": len(account.broken),
    }
    if account.broken:
        return Outcome(Status.BROKEN, reason=account.broken[0], counts=counts)
    return Outcome(Status.SUCCEEDED, counts=counts)
