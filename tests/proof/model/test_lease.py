"""The lease, searched to the end: all orders of two pods and three messages, with each fault at each step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from model.parts import NO_EPOCH, NO_FENCE, RETRY, SAME, SHARED
from model.scenario import Scenario
from model.search import search
from model.storm import weather

if TYPE_CHECKING:
    from model.world import World

#: A scenario, and how few changes of pod that nothing forced are gone through; None: all orders there are.
ALL = {
    "two doorbells": (Scenario(), None),
    "a retry beside the pod that it replaces": (RETRY, None),
    "a pause longer than the lease": (Scenario(there=3, messages=0, expiries=1), None),
    "a node that loses power, and its lease": (Scenario(there=3, messages=0, crashes=1, expiries=1), 3),
    "a lost reply beside a retry": (Scenario(there=3, messages=0, uids=SAME, cuts=1), 3),
    "a hold over two pods": (Scenario(there=3, messages=0, holds=1), 2),
    "two runs that share two partitions": (SHARED, 3),
    "a pause of one of two that share": (replace(SHARED, messages=0, expiries=1), 3),
    "a node that loses power beside a run that shares": (replace(SHARED, messages=0, crashes=1), 1),
    "three doorbells": (Scenario(uids={"A": "one", "B": "two", "C": "three"}), 2),
}


@pytest.mark.parametrize("what", ALL)
def test_protocol__keeps_its_promises_in_every_order(world: World, what: str) -> None:
    scenario, switches = ALL[what]
    found = search(world, scenario, switches=switches)
    print(f"{what}: {found.games} games, {found.states} states, {found.ends} ends")
    assert (found.broken, found.story if found.broken else ()) == (None, ())
    assert found.ends > 20  # as many orders at least come to different ends


#: Parts without which no promise was seen to break: others stand before them.
SPARE = {
    "the fence at the checkpoint, beside a retry": replace(RETRY, mutation=NO_FENCE),
    "the fence at the checkpoint, after a pause": Scenario(there=3, messages=0, expiries=1, mutation=NO_FENCE),
    "that a lease is taken from nobody alive": Scenario(
        there=3, messages=0, mutation={"lease.leases": ("r.expires_at < clock_timestamp()", "true")}
    ),
}


@pytest.mark.parametrize("what", SPARE)
def test_protocol__keeps_its_promises_without(world: World, what: str) -> None:
    found = search(world, SPARE[what], switches=2)
    print(f"without {what}: {found.games} games, {found.states} states, {found.ends} ends")
    assert (found.broken, found.ends > 20) == (None, True)


def test_search__finds_the_promise_that_breaks_without_the_epoch(world: World) -> None:
    found = search(world, replace(RETRY, mutation=NO_EPOCH), switches=2, games=400)
    assert "a zombie was not fenced: " in str(found.broken), found


def test_protocol__keeps_its_promises_in_long_storms(world: World) -> None:
    weather(world, games=300, steps=60)
