"""What several files of acceptance tests begin with: a relay, a world to submit to, sweeps, and feeds that have run."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date
from typing import TYPE_CHECKING

import pytest
import stamina

from bank import Bank, Door
from local.partners.ecb import Ecb
from local.partners.server import serve_simulator
from quarantine_command import BAD, GOOD
from replay_command import rates
from submit_command import Desk
from sweeps import Sweeps, at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

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


@pytest.fixture
def fx(bank: Bank, door: Door) -> Bank:
    """One good row and a bad one, 0@1 of an answer of seq 2."""
    bank.create("fx", partitions=1)
    bank.respond("fx", [{**GOOD, "currency": "USD"}, BAD], DAY, seq=2)
    assert door("sub", "--feed=fx").counts("loaded", "quarantined") == [1, 1]
    return bank


@pytest.fixture
def two_days(bank: Bank, door: Door) -> Bank:
    """Two runs, of a day each; fx.response[0] 0 to 5."""
    bank.create("fx", partitions=1)
    for day in (BEFORE, DAY):
        bank.respond("fx", rates(day), day)
        door("sub", "--feed=fx")
    return bank


@pytest.fixture
def desk(bank: Bank, tmp_path: Path) -> Iterator[Desk]:
    bank.create("fx")
    with ExitStack() as stack:
        yield Desk(bank, tmp_path, stack)


@pytest.fixture
def sweeps(bank: Bank, capsys: pytest.CaptureFixture[str]) -> Sweeps:
    """Everybody watches since the morning."""
    for name in ("fx", "bulletin", "latest"):
        bank.create(name)
    sweeps = Sweeps(bank, capsys)
    assert sweeps(at(9), "fx", "bulletin", "latest") == {
        "due": 0,
        "started": 0,
        "overdue": 0,
        "absent": 0,
        "arrived": 0,
        "undelivered": 0,
    }
    return sweeps
