"""The lease, searched: every order in which two pods and three messages can meet, with the real code and the real SQL.

What must never be is in `world.py`; it is looked for after each step. The searches here are those that a push can
wait for; `tests/proof/model/test_lease.py` goes through all orders.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from model.parts import NO_LOCK, NONE, RETRY, SHARED
from model.scenario import Scenario
from model.search import search
from model.storm import weather
from model.world import World
from steps.drain.drain import Drain
from steps.run.status import Status

if TYPE_CHECKING:
    from ledger.lease import Lease
    from steps.drain.kafka import Topic
    from steps.drain.lease_keeper import Keeper

ALONE = {"A": "one"}

#: A scenario, at most how many unforced changes of pod, and an end that must be among those that were seen: where
#: nothing happened, it is worth little that nothing broke.
CALM = {
    "two doorbells, and messages that come whenever it matters": (Scenario(), 1, {"SUCCEEDED", "BUSY"}),
    "a retry beside the pod that it replaces": (RETRY, 1, {"SUCCEEDED", "Fenced"}),
    "a pause longer than the lease": (Scenario(there=3, messages=0, expiries=1), 1, {"SUCCEEDED", "Fenced"}),
    "a node that loses power": (Scenario(there=3, messages=0, crashes=1), 1, {"SUCCEEDED", "CRASHED"}),
    "a COMMIT whose reply is lost": (Scenario(there=3, messages=0, uids=ALONE, cuts=1), None, {"SUCCEEDED"}),
    "two runs that share two partitions": (SHARED, 1, {"SUCCEEDED"}),
    "a pause of one of two that share": (replace(SHARED, messages=0, expiries=1), 1, {"SUCCEEDED", "Fenced"}),
    "a hold": (Scenario(there=3, messages=0, uids=ALONE, holds=1), None, {"HELD", "FREED"}),
}


@pytest.mark.parametrize("what", CALM)
def test_protocol__keeps_its_promises_in_each_order(world: World, what: str) -> None:
    scenario, switches, ending = CALM[what]
    found = search(world, scenario, switches=switches)
    assert (found.broken, found.story if found.broken else ()) == (None, ())
    assert [outcome for outcome in found.outcomes if ending <= {status for _, status in outcome}], found.outcomes


def test_protocol__keeps_its_promises_in_a_storm(world: World) -> None:
    weather(world, games=10, steps=30)


class LooksBeforeItReleases(Drain):
    """The last look is taken while the lease is still held."""

    def _drain_to_watermarks(self, held: Lease, keeper: Keeper, topic: Topic) -> Status:
        status = super()._drain_to_watermarks(held, keeper, topic)
        self._seen = super()._has_more()
        return status

    def _has_more(self) -> bool:
        return self._seen


#: A hold that waits for no chunk: neither in its turn nor for the row.
HOLD_AT_ONCE = {
    "control.enter": ("pg_advisory_xact_lock_shared(%(space)s, hashtext(%(feed)s))", "%(space)s::int, %(feed)s::text"),
    "control.share": ("FOR SHARE", ""),
}
#: What is taken out of the protocol, and the promise that the same search then finds broken.
MUTANTS = {
    "the last look after the release": (Scenario(drain=LooksBeforeItReleases), "a lost wake-up: "),
    "giving the lease back": (
        Scenario(there=1, messages=1, mutation={"lease.release": ("l.id = h.id AND", "false AND")}),
        "a lost wake-up: ",
    ),
    "the lock": (replace(RETRY, mutation=NO_LOCK), "BUG UniqueViolation("),  # both open the partition: exit 70
    "the lock, the epoch and the expected offset": (
        replace(RETRY, mutation=NONE),
        'BUG UniqueViolation(\'duplicate key value violates unique constraint "span_source_from_offset_key"',
    ),
    "all of these, and the key of a span": (
        replace(
            RETRY,
            mutation=NONE,
            tables="ALTER TABLE feedfall.span DROP CONSTRAINT IF EXISTS span_source_from_offset_key",
        ),
        "two writers, or a gap: ",
    ),
    "that a hold waits for the chunk in flight": (
        Scenario(there=3, messages=0, uids=ALONE, holds=1, mutation=HOLD_AT_ONCE),
        "a chunk was committed after `hold` had returned",
    ),
}


@pytest.mark.parametrize("what", MUTANTS)
def test_search__finds_the_promise_that_breaks_without(world: World, what: str) -> None:
    scenario, promise = MUTANTS[what]
    found = search(world, scenario, switches=2, games=400)
    print(f"without {what}: {found.games} games: {found.broken}")
    assert promise in str(found.broken), found
