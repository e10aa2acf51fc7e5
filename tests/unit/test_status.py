"""One enum owns the words of the RESULT line, one the exit codes: what follows from each is said nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from steps.run.execution import Outcome
from steps.run.exits import Exit
from steps.run.status import Status

ROOMS = ("cli", "ledger", "operate", "scripts", "service", "steps", "workflows")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("status", Status)
def test_status__is_the_word_itself(status: Status) -> None:
    assert status == status.name == str(status)
    assert Status(str(status)) is status
    assert re.fullmatch(r"[A-Z_]+", status)
    assert status.sentence


def test_status__what_is_idle_exits_0() -> None:
    """A pod that found nothing to do is no failure for Argo; who waits for it learns 77 from `idle`."""
    assert {status for status in Status if status.idle} == {
        "BUSY",
        "HELD",
        "BLOCKED",
        "SKIPPED",
        "WAITING",
        "WITHDRAWN",
    }
    assert {status.code for status in Status if status.idle} == {Exit.OK}


def test_outcome__exits_with_its_status_unless_a_failure_says_otherwise() -> None:
    assert Outcome(Status.MORE).exit == 75
    assert Outcome(Status.FAILED, Exit.GAP).exit == 81
    assert Outcome(Status.SUCCEEDED, Exit.PARTNER).exit == 69


def test_statuses__stand_as_literals_in_no_other_file() -> None:
    """A word that is typed twice is misspelt once."""
    words = "|".join(Status)
    found = {
        path.relative_to(ROOT).as_posix(): line.strip()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(rf'"({words})"', line) and path.name != "status.py"
    }
    assert found == {}
