"""relay against the simulated ECB, for the tests of pub and relay."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
import stamina

from bank import Bank, Door
from local.partners.ecb import Ecb
from local.partners.server import serve_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bank import Ended

DAY, BEFORE = date(2026, 10, 30), date(2026, 10, 29)
GOOD_FRIDAY = date(2026, 4, 3)


@pytest.fixture
def ecb() -> Ecb:
    return Ecb()


@pytest.fixture
def relay(bank: Bank, door: Door, ecb: Ecb) -> Iterator[Callable[..., Ended]]:
    """relay against the simulator; it tries again as often as in truth, without the pauses."""
    bank.create("fx")
    with serve_simulator(ecb) as url, stamina.set_testing(True, attempts=4):
        yield lambda **environ: door("relay", "--feed=fx", **{"FEEDFALL_PARTNER_URL_ECB": url, **environ})
