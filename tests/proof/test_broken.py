"""The proof can fail: it finds each deliberately broken variant of the product, and without a fault none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proof.broken import VARIANTS
from proof.matrix import faultless, play, trials

if TYPE_CHECKING:
    from proof.scene import Stage


@pytest.mark.parametrize("name", VARIANTS)
def test_a_broken_variant__is_found_by_the_fault_that_it_cannot_stand(stage: Stage, name: str) -> None:
    variant = VARIANTS[name]
    sound = faultless(stage, [variant.scene])
    [calm] = faultless(stage, [variant.scene], name)
    assert calm.facts.differences(sound[0].facts, ("rows", "requests")) == []
    every = trials(stage, sound, name)
    points = [each for each in every if each.plan.fault == variant.fault and each.plan.name.startswith(variant.at)]
    found = [verdict for verdict in play(stage, points) if verdict.differences]
    print(f"\n{name}: found at {len(found)} of {len(points)} points, first {found[0].told() if found else 'nowhere'}")
    assert found
