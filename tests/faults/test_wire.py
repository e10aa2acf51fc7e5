"""Faults of the network: the run ends as designed, and healed everything is loaded once. Slow ones are in proof/."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bank import Bank, Door
from faults.acts import survives

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults.wire import Wired

#: What is done to a wire → how a run may end that meets it: 0 where it gets through, 75 where it does not.
FAULTS: dict[str, tuple[Callable[[Wired], None], set[int]]] = {
    "Kafka: 4 kB at a time": (lambda wire: wire.kafka.__dict__.update(drip=4096, late=0.002), {0}),
    "Kafka: cut in mid-fetch": (lambda wire: setattr(wire.kafka, "cut_after", wire.kafka.carried + 100_000), {0, 75}),
    "database: 500 bytes at a time": (lambda wire: wire.database.__dict__.update(drip=500, late=0.0002), {0}),
    "database: cut early": (lambda wire: setattr(wire.database, "cut_after", wire.database.carried + 2_000), {75}),
    "database: cut in mid-load": (
        lambda wire: setattr(wire.database, "cut_after", wire.database.carried + 5_000),
        {75},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_wire__a_fault_ends_as_designed(wire: Wired, waiting: Bank, door: Door, fault: str) -> None:
    survives(wire, waiting, door, *FAULTS[fault])
