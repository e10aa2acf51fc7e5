"""A broker that refuses the pod's password: librdkafka goes on trying until the call's ten seconds are over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faults.acts import needs_a_person

if TYPE_CHECKING:
    from bank import Bank, Door
    from faults.wire import Wired


def test_kafka__a_wrong_password_needs_a_person(wire: Wired, waiting: Bank, door: Door) -> None:
    needs_a_person(wire, waiting, door, "guess", "Authentication failed")
