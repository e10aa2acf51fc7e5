"""Every order of steps of a scenario, depth first. A state that was met before is not gone through again.

Going back is beginning anew and playing the steps once more: real code and a real database cannot be copied.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from model.scenario import Broken

if TYPE_CHECKING:
    from model.scenario import Action, Scenario
    from model.world import World


@dataclass
class Found:
    """What a search went through."""

    games: int = 0
    states: int = 0
    ends: int = 0
    outcomes: set[tuple[tuple[str, str], ...]] = field(default_factory=set)
    broken: str | None = None
    story: tuple[Action, ...] = ()


def search(world: World, scenario: Scenario, *, switches: int | None = None, games: int | None = None) -> Found:
    """Go through all orders; stop at the first broken promise. `switches`: at most so many unforced changes of pod."""
    found, met = Found(), set[object]()
    todo: list[tuple[Action, ...]] = [()]
    while todo and found.broken is None and (games is None or found.games < games):
        found.games += 1
        _play(world, scenario, todo.pop(), todo, met, found, switches)
    found.states = len(met)
    return found


def _play(
    world: World,
    scenario: Scenario,
    story: tuple[Action, ...],
    todo: list[tuple[Action, ...]],
    met: set[object],
    found: Found,
    switches: int | None,
) -> None:
    world.begin(scenario)
    try:
        for action in story:
            world.act(action)
        while True:
            key = (world.key(), None if switches is None else (_switches(story), story[-1:]))
            if key in met:
                return
            met.add(key)
            actions = _order(world.actions(), story)
            if switches is not None and _switches(story) >= switches:
                actions = actions[:1]
            if not actions:
                world.finish()
                found.ends += 1
                found.outcomes.add(tuple(world.outcomes().items()))
                return
            todo.extend((*story, action) for action in reversed(actions[1:]))
            story = (*story, actions[0])
            world.act(actions[0])
    except Broken as error:
        found.broken, found.story = str(error), story


def _order(actions: list[Action], story: tuple[Action, ...]) -> list[Action]:
    """Whoever moved last goes on first."""
    return sorted(actions, key=lambda action: action not in story[-1:])


def _switches(story: tuple[Action, ...]) -> int:
    """How often something else happened though the last pod could have gone on. An upper bound is good enough."""
    return sum(before != after for before, after in pairwise(story))
