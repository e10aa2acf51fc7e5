"""Deferred requests whose time has come, sent again out of the ledger: their messages lie behind the checkpoint.

Called by relay before it drains. Under the same lease, so no two runs send one request.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from catalog.partner import Request
from ledger import control, lease, request
from ledger.database import commit, rollback
from ledger.errors import translated
from ledger.key import LeaseKey
from steps.drain.kafka import Cluster
from steps.drain.lease_keeper import exclusively
from steps.partner.deferral import Attempt, Deferral, Withdrawn
from steps.partner.exchange import Exchange
from steps.run import gate
from steps.run.execution import Execution, Outcome
from steps.run.exits import Misconfigured
from steps.run.status import Status

if TYPE_CHECKING:
    from datetime import datetime

    from catalog import Feed
    from ledger.lease import Lease
    from steps.drain.lease_keeper import Keeper
    from steps.partner.exchange import Exchanger

#: Requests that are sent together; their answers are one transaction.
TOGETHER = 50
#: Seconds after which the rest is left to the next run: new messages must not wait behind it for ever.
LONGEST = 900.0


def retry_due(execution: Execution, feed: Feed, exchanger: Exchanger) -> Outcome | None:
    """Send each deferred request that is due once more. None: all of them were, or there was none."""
    refused = _refusal(execution, feed)
    if refused or not request.fetch_due(execution.connection, feed.name, execution.now(), 1):
        return refused
    retries = Retries(execution, feed, exchanger)
    topic = Cluster(execution.settings).topic(feed.topic("request", execution.settings.topic_prefix))
    outcome = exclusively(execution, LeaseKey(feed.name, "relay"), topic.partitions, retries.run)
    return outcome if outcome.status is not Status.SUCCEEDED else _refusal(execution, feed)


def _refusal(execution: Execution, feed: Feed) -> Outcome | None:
    """The gate, before and after: the partner's quota may be used up now."""
    refusal = gate.refusal(control.state(execution.connection, feed.name), "relay", execution.now())
    rollback(execution.connection)
    return Outcome(refusal.status, reason=refusal.reason) if refusal else None


class Retries:
    """One run's retries."""

    def __init__(self, execution: Execution, feed: Feed, exchanger: Exchanger) -> None:
        self._execution, self._feed, self._exchanger = execution, feed, exchanger

    def run(self, held: Lease, keeper: Keeper) -> Outcome:
        """Batch by batch, all that was due when it began."""
        self._check_killed(held)
        self._exchanger.batches.open(held)
        now, until = self._execution.now(), time.monotonic() + LONGEST
        while exchanges := self._due(now):
            if self._execution.stop.is_set():
                return Outcome(Status.STOPPED, reason=Status.STOPPED.sentence)
            if time.monotonic() > until:
                break
            self._exchanger.send(exchanges, keeper.beat)
            self._exchanger.begin(exchanges)
            if not self._record(held, exchanges):
                return Outcome(Status.HELD, reason=Status.HELD.sentence)
        return Outcome(Status.SUCCEEDED)

    def _due(self, now: datetime) -> list[Exchange]:
        due = request.fetch_due(self._execution.connection, self._feed.name, now, TOGETHER)
        return [
            Exchange(
                Request(each.correlation_id, each.base_date, each.seq), None, Attempt(each.tries, each.deferred_at)
            )
            for each in due
        ]

    def _record(self, held: Lease, exchanges: list[Exchange]) -> bool:
        """Commit what came back. False: the feed was held, nothing moved."""
        connection, report = self._execution.connection, self._exchanger.report
        with translated():
            lease.guard(connection, held)
            if not control.still_open(connection, self._feed.name):
                connection.rollback()
                return False
            self._exchanger.record(connection, exchanges)
        commit(connection)  # where the reply is lost the batch says what became of it
        report.retried += sum(not isinstance(each.result, Withdrawn) for each in exchanges)
        report.deferred_again += sum(isinstance(each.result, Deferral) for each in exchanges)
        return True

    def _check_killed(self, held: Lease) -> None:
        """A request that kills each run is not sent for ever."""
        killed = lease.killed_in_a_row(self._execution.connection, held, self._feed.max_lost)
        self._execution.connection.rollback()
        if killed >= self._feed.max_lost:
            raise Misconfigured(
                f"{killed} runs in a row were killed before they answered a deferred request of {self._feed.name}. "
                "Look at how the pods ended (OOMKilled: raise the memory limit), then `feedfall free`"
            )
