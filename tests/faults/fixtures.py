"""A broker that advertises a proxy, and a database behind another. For the conftest of whoever cuts wires."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from bank import Bank, Door
from faults.acts import COUNT, ticks
from faults.wire import Wired

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBER = count(1)


@pytest.fixture(scope="session")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    with Wired(tmp_path_factory.mktemp("wire")) as wired:
        yield wired


@pytest.fixture
def bank(wire: Wired) -> Iterator[Bank]:
    """A bank whose Kafka and database are reached through proxies only. Healed afterwards."""
    yield wire.bank(f"f{next(NUMBER)}")
    wire.heal()


@pytest.fixture
def door(bank: Bank, capsys: pytest.CaptureFixture[str]) -> Door:
    return Door(bank, capsys)


@pytest.fixture
def waiting(bank: Bank) -> Bank:
    """Messages wait, on two partitions."""
    bank.create("tick", partitions=2)
    bank.respond("tick", ticks(COUNT))
    return bank
