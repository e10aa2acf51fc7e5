"""Promise: what is hopeless costs a few Workflows an hour, and none is started beside one that still tries."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from bank import Bank, Door
from catalog import find
from ledger import lease, run
from ledger.database import connect
from ledger.key import LeaseKey
from steps.sweep import due
from steps.watch.pauses import PAUSES
from sweeps import at, feedfall

if TYPE_CHECKING:
    from steps.sweep import Start
    from sweeps import Sweeps

FX = find.load("fx", ("feeds",))
DAY = date(2026, 10, 30)
#: Seconds after its start at which Argo tries a Workflow (workflows/pod.py): nine attempts in twenty minutes.
ATTEMPTS = (0, 10, 30, 70, 150, 310, 610, 910, 1210)
HOURS = 4


class Argo:
    """Plays what the sweep starts: each attempt takes the leases, and fails with that code."""

    def __init__(self, bank: Bank, code: int) -> None:
        self._bank, self._code = bank, code
        self._coming: list[tuple[datetime, LeaseKey]] = []
        self.names: list[str] = []

    def start(self, wanted: Start) -> None:
        if wanted.name in self.names:  # refused: 409
            return
        assert not self._coming, f"{wanted.name} was started beside a Workflow that still tries"
        self.names.append(wanted.name)
        attempts = ATTEMPTS if self._code == 75 else ATTEMPTS[:1]
        self._coming = [(wanted.at + timedelta(seconds=after), wanted.key) for after in attempts]

    def play(self, now: datetime) -> None:
        while self._coming and self._coming[0][0] <= now:
            self._attempt(*self._coming.pop(0))

    def _attempt(self, moment: datetime, key: LeaseKey) -> None:
        connection = connect(self._bank.pod_url, "attempt")
        number = run.start(connection, key, "uid", "name")
        if key.stage == "sub":
            taken = lease.take(connection, key, range(2), run_id=number)
            assert taken
            lease.release(connection, taken)
        run.finish(connection, number, "FAILED", self._code, "Kafka is away", {})
        connection.close()
        self._bank.rows("UPDATE feedfall.run SET started_at = %s, ended_at = %s WHERE id = %s", moment, moment, number)


def night(bank: Bank, sweeps: Sweeps, stage: str, code: int) -> list[str]:
    """The sweep looks once a minute, from six to ten; the Workflows that it starts of that stage."""
    argo = Argo(bank, code)
    for minute in range(HOURS * 60):
        now = at(18) + timedelta(minutes=minute)
        argo.play(now)
        with sweeps.execution(now) as execution:
            for each in due(execution, [FX]):
                if each.key.stage == stage:
                    argo.start(each)
    return argo.names


def test_hopeless__a_sub_is_started_again_when_argo_has_given_it_up(bank: Bank, sweeps: Sweeps) -> None:
    bank.respond("fx", [{"base_date": "2026-10-30", "currency": "USD", "rate": "1"}], DAY)
    names = night(bank, sweeps, "sub", 75)
    assert HOURS <= len(names) <= 3 * HOURS, names


@pytest.mark.parametrize("code", [75, 78])
def test_hopeless__a_pub_of_kept_orders_too(bank: Bank, door: Door, sweeps: Sweeps, code: int) -> None:
    feedfall(bank, "hold", "fx", "--reason=x", "--by=kim")
    door("pub", "--feed=fx", f"--base-date={DAY}")
    feedfall(bank, "free", "fx", "--reason=x", "--by=kim")
    bank.rows("DELETE FROM feedfall.run WHERE stage = 'pub'")  # the simulated night begins with none
    names = night(bank, sweeps, "pub", code)
    most = 3 if code == 75 else timedelta(hours=1) // PAUSES[-1]
    assert HOURS <= len(names) <= most * HOURS + len(PAUSES), names


def test_hopeless__once_it_is_repaired_a_pause_is_the_longest_wait(bank: Bank, sweeps: Sweeps) -> None:
    """And a person's run, or a doorbell's, that ends well ends the pauses at once."""
    bank.respond("fx", [{"base_date": "2026-10-30", "currency": "USD", "rate": "1"}], DAY)
    argo = Argo(bank, 78)
    for minute in (0, 1, 2, 4, 7, 11):
        with sweeps.execution(at(18, minute)) as execution:
            [start] = due(execution, [FX])
        argo._attempt(start.at, start.key)  # noqa: SLF001 -- its own helper
        bank.rows("UPDATE feedfall.run SET exit_code = 75 WHERE stage = 'sub'")
    for minute, starts in ((16, 0), (17, 1)):
        with sweeps.execution(at(18, minute)) as execution:
            assert len(due(execution, [FX])) == starts
    last = "(SELECT max(id) FROM feedfall.run WHERE stage = 'sub')"
    bank.rows(f"UPDATE feedfall.run SET status = 'SUCCEEDED', exit_code = 0 WHERE id = {last}")
    with sweeps.execution(at(18, 12)) as execution:
        assert len(due(execution, [FX])) == 1
