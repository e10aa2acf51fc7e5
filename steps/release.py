"""release: deferred rows whose day has come, into the feed's table; each is judged again. Started by the sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger import control, quarantine
from steps.load.redrive import Instruction, Redrive
from steps.run import gate
from steps.run.execution import Execution, Outcome

if TYPE_CHECKING:
    from catalog import Feed


def release(execution: Execution, feed: Feed) -> Outcome:
    """Resolve the deferred rows whose day has come."""
    refusal = gate.refusal(control.state(execution.connection, feed.name), "release", execution.now())
    today = gate.today(feed, execution.now())
    chosen = quarantine.fetch_unresolved(execution.connection, feed.name, "deferred", until=today)
    execution.connection.rollback()
    if refusal:
        return Outcome(refusal.status, reason=refusal.reason)
    instruction = Instruction(execution.settings.name, "its day has come", by_hand=False, ask_calendar=True)
    return Redrive(execution, feed, instruction).run(chosen)
