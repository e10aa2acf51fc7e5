"""The sweep at any time of any day, and what it has reported. Used by the acceptance tests of absence."""

from __future__ import annotations

import base64
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from bank import PACKAGES, Bank
from catalog import find
from cli.__main__ import app
from ledger.key import LeaseKey
from steps.run.execution import executing
from steps.run.exits import Exit, Misconfigured, Transient
from steps.run.settings import read
from steps.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steps.run.execution import Execution

DAY = date(2026, 10, 30)
BRUSSELS = ZoneInfo("Europe/Brussels")
SECRET = base64.b64encode(b"a key of thirty-two bytes, not less").decode()
RATES = [{"base_date": "2026-10-30", "currency": each, "rate": "1.1"} for each in ("USD", "JPY")]


def at(hour: int, minute: int = 0, day: date = DAY) -> datetime:
    return datetime.combine(day, time(hour, minute), BRUSSELS)


class Sweeps:
    """The sweep, at any time of any day, over the named feeds."""

    def __init__(self, bank: Bank, capsys: pytest.CaptureFixture[str]) -> None:
        self._bank, self._capsys = bank, capsys
        self.told: dict[str, str] = {}
        self.log = ""

    def __call__(self, now: datetime, *names: str) -> dict[str, Any]:
        """What its RESULT line counts; its log is kept. A sweep that failed raises its reason."""
        self._capsys.readouterr()
        with self.execution(now) as execution:
            try:
                outcome = sweep(execution, [find.load(name, PACKAGES) for name in names or ("fx",)])
            finally:
                self.log = self._capsys.readouterr().out
        if outcome.exit:
            raise {Exit.CONFIG: Misconfigured, Exit.TRANSIENT: Transient}[outcome.exit](outcome.reason)
        return dict(outcome.counts)

    @contextmanager
    def execution(self, now: datetime) -> Iterator[Execution]:
        nowhere = {"ARGO_SERVER": "http://127.0.0.1:9", "ARGO_NAMESPACE": "bank"}
        settings = read({**self._bank.environ, **nowhere, **self.told}, "sweep")
        with executing(settings, LeaseKey("-", "sweep"), threading.Event()) as execution:
            execution.now = lambda: now.astimezone(UTC)
            yield execution


def journal(bank: Bank) -> list[tuple[Any, ...]]:
    return bank.rows(
        "SELECT verb, feed, who, detail->>'base_date', detail->>'found' FROM feedfall.journal "
        "WHERE verb IN ('absent', 'arrived', 'undelivered') ORDER BY id"
    )


def feedfall(bank: Bank, *words: str) -> str:
    done = CliRunner().invoke(app, list(words), env=bank.environ, catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout
