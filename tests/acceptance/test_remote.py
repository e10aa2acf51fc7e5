"""Each verb by the service equals the command at the keyboard: rows in the ledger, words, exit code. Nothing else reaches it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from bank import ROOT, Bank, ended
from desk_service import APPROVER, OPERATOR, VIEWER, DeskService, desk_service
from local.servers.process import free_port
from submit_command import DAY, KEY, Desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REASON = "대외기관 장애 <b>&'\"$(id)`"


@pytest.fixture
def service(bank: Bank, tmp_path: Path) -> Iterator[DeskService]:
    """A service that has the bank's database, and no Argo."""
    with desk_service({**os.environ, **bank.environ}, tmp_path) as found:
        yield found


def local(bank: Bank, *words: str) -> tuple[int, str, str]:
    """The command at the keyboard of the same bank."""
    command, own = [sys.executable, "-m", "cli", *words], {**os.environ, **bank.environ, "FEEDFALL_BY": "kim"}
    done = subprocess.run(command, env=own, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


def journal(bank: Bank) -> list[tuple[object, ...]]:
    lines = bank.rows("SELECT verb, feed, who, reason FROM feedfall.journal ORDER BY id")
    return [tuple(line) for line in lines]


@pytest.mark.parametrize(
    "words",
    [
        ("hold", "fx", "--reason", REASON),
        ("free", "fx", "--reason", REASON),  # nothing to lift
        ("hold", "no-such-feed", "--reason", REASON),  # 78
        ("hold", "fx", "--reason", "bidi \u202e text"),  # 78: it cannot be seen
        ("free", "--all", "--reason", REASON),  # 78: no --code
        ("free", "--all", "--code", "78", "--reason", REASON),
        ("runs",),
        ("runs", "fx", "--json"),
        ("runs", "--limit", "3"),
        ("absent",),
        ("quarantine", "list", "fx"),
        ("quarantine", "show", "fx", "0@1"),  # there is none
    ],
)
def test_command__prints_and_exits_as_at_the_keyboard(bank: Bank, service: DeskService, words: tuple[str, ...]) -> None:
    there = service.run(*words)
    mark = journal(bank)
    bank.rows("DELETE FROM feedfall.feed_control RETURNING feed")
    here = local(bank, *words)
    assert there == here
    assert journal(bank)[len(mark) :] == mark
