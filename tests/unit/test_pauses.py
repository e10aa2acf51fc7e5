"""How long the sweep leaves alone what failed."""

from datetime import UTC, datetime, timedelta

import pytest

from ledger.run import LastRun
from steps.watch.pauses import PAUSES, rests

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def ended(minutes: float, code: int | None = 75, status: str = "FAILED", loaded: int = 0) -> LastRun:
    return LastRun(status, code, NOW - timedelta(minutes=minutes), loaded)


@pytest.mark.parametrize(
    ("stage", "runs", "is_early"),
    [
        ("sub", [], False),  # the first
        ("sub", [ended(0.5)], True),  # Argo starts it again
        ("sub", [ended(1.5)], False),
        ("sub", [ended(1.5), ended(3), ended(4)], True),
        ("sub", [ended(5), *[ended(9)] * 5], True),
        ("sub", [ended(7), *[ended(9)] * 5], False),  # the longest pause
        ("sub", [ended(0.5, 0, "SUCCEEDED"), ended(1)], False),
        ("sub", [ended(0.5, 78), ended(1)], False),  # a person has freed the feed
        ("sub", [ended(0.5, None, "RUNNING")], False),  # killed: its lease has expired
        ("sub", [ended(0.5, None, "LOST"), ended(1)], False),
        ("sub", [ended(0.5, 75, "MORE", loaded=9)], False),  # there is more: at once
        ("sub", [ended(0.5, 75, "FENCED")], False),
        ("sub", [ended(0.5, 75, loaded=9)], False),  # it moved something
        ("sub", [ended(0.5, 75, "OPEN_TXN")], True),
        ("pub", [ended(0.5, 78)], True),  # it blocks no feed, so nothing else would stop it
        ("pub", [ended(0.5, 0, "HELD")], False),
        ("sub", [LastRun("FAILED", 75, NOW + timedelta(days=1), 0)], False),  # a clock that was set back
    ],
)
def test_rests__while_argo_still_tries_and_longer_each_time(stage: str, runs: list[LastRun], *, is_early: bool) -> None:
    assert rests(stage, runs, NOW) is is_early


def test_pauses__are_longer_than_argos_own() -> None:
    """`workflows/pod.py`: 10 s, twice as much each time, 5 min at most."""
    argos = [timedelta(seconds=min(10 * 2**number, 300)) for number in range(len(PAUSES))]
    assert all(ours > theirs for ours, theirs in zip(PAUSES, argos, strict=True))
