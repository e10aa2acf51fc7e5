"""The gate: what is known goes in, a refusal or None comes out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

import business_day
from feeds.fx import FX
from ledger.control import Control
from steps.run import gate
from steps.run.exits import Misconfigured

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
HELD = Control(held_at=NOW, held_by="kim", held_reason="the partner moves house")
BLOCKED = Control(blocked_at=NOW, blocked_code=65, blocked_stage="sub", blocked_reason="too many")
STAGES = ("pub", "relay", "sub")


@pytest.mark.parametrize("stage", STAGES)
def test_refusal__a_feed_that_nobody_touched_is_open(stage: str) -> None:
    assert gate.refusal(Control(), stage, NOW) is None


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("control", "status", "reason"),
    [
        (HELD, "HELD", "held by kim: the partner moves house; `feedfall free` lifts it"),
        (BLOCKED, "BLOCKED", "sub ended with 65: too many; `feedfall free` lifts it"),
        (
            Control(**{**vars(BLOCKED), "held_at": NOW, "held_by": "kim", "held_reason": "x"}),
            "HELD",
            "held by kim: x; ",
        ),
    ],
)
def test_refusal__a_hold_and_a_block_are_for_every_stage(
    control: Control, status: str, reason: str, stage: str
) -> None:
    found = gate.refusal(control, stage, NOW)
    assert found
    assert found.status == status
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    ("stage", "seconds", "status"),
    [
        ("relay", 1, "WAITING"),
        ("relay", 0, None),  # the very moment
        ("relay", -1, None),
        ("sub", 3600, None),  # a partner's quota is relay's alone
        ("pub", 3600, None),
    ],
)
def test_refusal__a_wait_is_for_relay_until_it_is_over(stage: str, seconds: int, status: str | None) -> None:
    found = gate.refusal(Control(wait_until=NOW + timedelta(seconds=seconds)), stage, NOW)
    assert (found and found.status) == status


@pytest.mark.parametrize(
    ("now", "today"),
    [
        (datetime(2026, 11, 20, 22, 59, tzinfo=UTC), date(2026, 11, 20)),  # 23:59 in Brussels
        (datetime(2026, 11, 20, 23, 0, tzinfo=UTC), date(2026, 11, 21)),  # midnight there
        (datetime(2026, 7, 1, 22, 0, tzinfo=UTC), date(2026, 7, 2)),  # in summer an hour earlier
    ],
)
def test_today__is_the_date_where_the_feed_lives(now: datetime, today: date) -> None:
    assert gate.today(FX, now) == today


def test_judge__a_day_beyond_the_table_is_not_guessed() -> None:
    target = business_day.calendar("TARGET")
    with pytest.raises(Misconfigured, match=r"TARGET covers .* not 2029-01-02.*order with --policy=OrderAnyway"):
        gate.judge(target, date(2029, 1, 2), business_day.Policy.SKIP)
    assert gate.judge(target, date(2029, 1, 2), business_day.Policy.ANYWAY) == date(2029, 1, 2)
