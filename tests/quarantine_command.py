"""`feedfall quarantine`, as an operator types it, and the rows of fx that it is tried on."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from typing import Any

from typer.testing import CliRunner, Result

from bank import ROOT, Bank
from cli.__main__ import app

DAY = date(2026, 10, 30)
WHY = ("--reason=said by phone", "--by=kim")
BAD = {"base_date": "2026-10-30", "currency": "KRW", "rate": "N.A."}
GOOD = {**BAD, "rate": "1500.5"}


def quarantine(bank: Bank, *words: str, said: str | None = None) -> Result:
    """`feedfall quarantine …` in this process; failures are raised."""
    return CliRunner().invoke(app, ["quarantine", *words], env=bank.environ, input=said, catch_exceptions=False)


def command(bank: Bank, *words: str, said: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """The same as a process, for its exit code and its last words."""
    whole = [sys.executable, "-m", "cli", "quarantine", *words]
    environment = bank.environment(**environ)
    return subprocess.run(
        whole, env=environment, input=said, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )


def answer(done: Result | subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    """(entry, became) of each line."""
    return [(each["entry"].rpartition("/")[2], each["became"]) for each in json.loads(done.stdout)]


def listed(bank: Bank, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(quarantine(bank, "list", "--json", *words).stdout)
    return found
