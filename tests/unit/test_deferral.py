"""Which request is deferred, until when, and when it is given up. Values in, values out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from catalog.partner import Answer, Empty, Malformed, Quota, Refused, Request, Rows
from feeds.fx import FX
from steps.partner.deferral import GIVE_UP, PAUSES, Attempt, Deferral, Unanswered, judge, next_try

DAY = date(2026, 10, 30)
REQUEST = Request(UUID(int=1), DAY)
NOON = datetime(2026, 10, 30, 11, 0, 20, tzinfo=UTC)  # 12:00:20 in Brussels; the feed is due at 17:00
DUE = datetime(2026, 10, 30, 16, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 1, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize("answer", [Rows([{"a": 1}]), Refused("no"), Malformed("?"), Empty("a holiday", expected=True)])
def test_judge__an_answer_is_an_answer(answer: Answer) -> None:
    assert judge(FX, REQUEST, Attempt(), answer, NOON) is answer


def test_judge__nothing_is_an_answer_once_it_is_due() -> None:
    nothing = Empty("not there", expected=False)
    assert judge(FX, REQUEST, Attempt(), nothing, DUE) is nothing


def test_judge__nothing_before_the_due_time_is_only_late() -> None:
    found = judge(FX, REQUEST, Attempt(), Empty("not there", expected=False), NOON)
    assert found == Deferral(NOON.replace(minute=1, second=0), "not there; due by 17:00 Europe/Brussels")


def test_judge__what_is_not_there_yet_is_looked_at_when_it_is_due() -> None:
    found = judge(FX, REQUEST, Attempt(9), Empty("", expected=False), DUE - timedelta(minutes=9))
    assert isinstance(found, Deferral)
    assert found.until == DUE


@pytest.mark.parametrize(
    ("retry_at", "until"),
    [
        (NOON + timedelta(hours=2), NOON + timedelta(hours=2)),
        (NOON + timedelta(days=9), NOON + timedelta(days=1)),  # believed for a day
        (NOON - timedelta(hours=2), next_try(0, NOON)),  # at once, again and again: no
        (None, next_try(0, NOON)),
    ],
)
def test_judge__a_quota_is_for_all_until_the_partner_says(retry_at: datetime | None, until: datetime) -> None:
    found = judge(FX, REQUEST, Attempt(), Quota("429", retry_at), NOON)
    assert found == Deferral(until, "the partner's quota is used up: 429", for_all=True)


@pytest.mark.parametrize(("answer", "days"), [(Unanswered("down"), 3), (Quota("429"), 30)])
def test_judge__days_later_it_is_refused_and_says_so(answer: Answer | Unanswered, days: int) -> None:
    attempt, end = Attempt(150, NOON), DUE + timedelta(days=days)
    before = judge(FX, REQUEST, attempt, answer, end - timedelta(seconds=1))
    after = judge(FX, REQUEST, attempt, answer, end)
    assert isinstance(before, Deferral)
    assert isinstance(after, Refused)
    assert after.reason.startswith(f"given up after 151 tries in {days} days or more: ")


def test_judge__what_was_not_even_sent_is_not_given_up() -> None:
    assert isinstance(judge(FX, REQUEST, Attempt(9, NOON), Unanswered("", sent=False), DUE + 2 * GIVE_UP), Deferral)


def test_judge__three_days_count_from_the_first_deferral_where_the_date_is_old() -> None:
    assert isinstance(judge(FX, REQUEST, Attempt(), Unanswered("down"), LATER + GIVE_UP), Deferral)
    assert isinstance(judge(FX, REQUEST, Attempt(1, LATER), Unanswered("down"), LATER + GIVE_UP), Refused)


@pytest.mark.parametrize(("tries", "minutes"), list(enumerate((1, 2, 5, 10, 30, 30, 30))))
def test_next_try__pauses_grow_to_half_an_hour(tries: int, minutes: int) -> None:
    pause = timedelta(minutes=minutes)
    for second in range(0, 7200, 7):
        now = NOON + timedelta(seconds=second)
        assert pause / 2 <= next_try(tries, now) - now <= pause * 1.5


def test_next_try__requests_that_wait_long_are_due_together() -> None:
    """Each minute another one: and still two runs an hour."""
    last = len(PAUSES) - 1
    assert len({next_try(last, NOON + timedelta(minutes=minute)) for minute in range(60)}) <= 3
