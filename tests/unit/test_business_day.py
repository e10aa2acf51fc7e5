"""Is it a business day? The rules, the range that nobody may guess beyond, overrides, and Control-M's policies."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import business_day
from business_day import NotCovered, Policy, UnknownCalendar

TARGET = business_day.calendar("TARGET")
GOOD_FRIDAY, EASTER_MONDAY = date(2026, 4, 3), date(2026, 4, 6)
FIRST, LAST = date(1999, 1, 1), date(2028, 12, 31)


@pytest.mark.parametrize(
    ("day", "closure"),
    [
        (date(2026, 11, 20), None),  # a plain Friday
        (date(2026, 11, 21), "Saturday"),
        (date(2026, 11, 22), "Sunday"),
        (GOOD_FRIDAY, "Good Friday"),
        (EASTER_MONDAY, "Easter Monday"),
        (date(2026, 5, 1), "Labour Day"),
        (date(2026, 12, 25), "Christmas Day"),
        (date(2026, 12, 31), None),  # a bank holiday in Korea's markets, not in TARGET
        (date(2001, 12, 31), "Additional closing day"),  # the euro's cash changeover
        (date(2026, 12, 26), "Saturday"),  # a holiday that falls on a weekend is not in the table
        (FIRST, "New Year's Day"),
        (LAST, "Sunday"),
    ],
)
def test_closure__says_why(day: date, closure: str | None) -> None:
    assert TARGET.closure(day) == closure
    assert TARGET.is_business_day(day) is (closure is None)


def test_covers__is_the_tables_range() -> None:
    assert TARGET.covers == (FIRST, LAST)


@pytest.mark.parametrize("day", [date(1998, 12, 31), date(2029, 1, 1)])
def test_outside_the_table__is_never_guessed(day: date) -> None:
    for question in (TARGET.is_business_day, TARGET.closure, TARGET.next, TARGET.previous):
        with pytest.raises(NotCovered, match=f"TARGET covers 1999-01-01 to 2028-12-31, not {day}"):
            question(day)


def test_next__skips_easter() -> None:
    assert TARGET.next(date(2026, 4, 2)) == date(2026, 4, 7)


def test_previous__skips_easter() -> None:
    assert TARGET.previous(date(2026, 4, 7)) == date(2026, 4, 2)


def test_next__beyond_the_last_open_day_is_not_covered() -> None:
    with pytest.raises(NotCovered):
        TARGET.next(date(2028, 12, 29))


def test_previous__before_the_first_open_day_is_not_covered() -> None:
    with pytest.raises(NotCovered):
        TARGET.previous(date(1999, 1, 4))


@given(st.dates(date(1999, 1, 5), date(2028, 12, 28)))
def test_next__undoes_previous_on_a_business_day(day: date) -> None:
    before, after = TARGET.previous(day), TARGET.next(day)
    assert before < day < after
    if TARGET.is_business_day(day):
        assert TARGET.next(before) == day == TARGET.previous(after)
    else:
        assert TARGET.next(before) == after


def test_a_moment__is_refused_since_its_date_depends_on_a_zone() -> None:
    with pytest.raises(TypeError, match="take its date"):
        TARGET.is_business_day(datetime(2026, 4, 2, 23, 30, tzinfo=UTC))


def test_unknown_calendar__lists_those_there_are() -> None:
    with pytest.raises(UnknownCalendar, match="no calendar 'TARGT': there are NONE, TARGET"):
        business_day.calendar("TARGT")


def test_unknown_calendar__is_no_way_out_of_the_folder() -> None:
    with pytest.raises(UnknownCalendar):
        business_day.calendar("../tables/TARGET")


@pytest.mark.parametrize("day", [date.min, date(2026, 11, 22), date(2026, 12, 25), date.max])
def test_none__is_open_every_day(day: date) -> None:
    assert business_day.calendar("NONE").is_business_day(day)


def test_none__ends_where_dates_end() -> None:
    none = business_day.calendar("NONE")
    assert none.next(date(2026, 11, 20)) == date(2026, 11, 21)
    with pytest.raises(NotCovered):
        none.next(date.max)
    with pytest.raises(NotCovered):
        none.previous(date.min)


def test_override__wins_in_both_directions() -> None:
    calendar = business_day.calendar("TARGET", {GOOD_FRIDAY: True, date(2026, 4, 2): False, date(2026, 4, 4): True})
    assert calendar.closure(date(2026, 4, 2)) == "override"
    assert calendar.next(date(2026, 4, 1)) == GOOD_FRIDAY
    assert calendar.next(GOOD_FRIDAY) == date(2026, 4, 4)  # a Saturday that was opened


def test_override__may_come_in_pairs() -> None:
    assert business_day.calendar("TARGET", [(GOOD_FRIDAY, True)]).is_business_day(GOOD_FRIDAY)


def test_override__closes_a_day_of_none() -> None:
    calendar = business_day.calendar("NONE", {date(2026, 11, 20): False})
    assert calendar.next(date(2026, 11, 19)) == date(2026, 11, 21)


def test_override__answers_for_its_own_day_beyond_the_table() -> None:
    calendar = business_day.calendar("TARGET", {date(2029, 1, 2): True})
    assert calendar.is_business_day(date(2029, 1, 2))
    with pytest.raises(NotCovered):  # New Year's Day of 2029 is nobody's word
        calendar.next(date(2028, 12, 29))


@pytest.mark.parametrize(
    ("policy", "day"),
    [
        (Policy.SKIP, None),
        (Policy.NEXT, date(2026, 4, 7)),
        (Policy.PREVIOUS, date(2026, 4, 2)),
        (Policy.ANYWAY, GOOD_FRIDAY),
    ],
)
def test_shift__of_a_closed_day_follows_the_policy(policy: Policy, day: date | None) -> None:
    assert business_day.shift(TARGET, GOOD_FRIDAY, policy) == day


@pytest.mark.parametrize("policy", Policy)
def test_shift__leaves_a_business_day_alone(policy: Policy) -> None:
    assert business_day.shift(TARGET, date(2026, 4, 2), policy) == date(2026, 4, 2)


def test_shift__anyway_asks_no_calendar() -> None:
    assert business_day.shift(TARGET, date(2031, 1, 1), Policy.ANYWAY) == date(2031, 1, 1)


@pytest.mark.parametrize("policy", [Policy.SKIP, Policy.NEXT, Policy.PREVIOUS])
def test_shift__outside_the_table_is_never_guessed(policy: Policy) -> None:
    with pytest.raises(NotCovered):
        business_day.shift(TARGET, LAST + timedelta(days=1), policy)


def test_policy__speaks_control_m() -> None:
    assert [*Policy] == ["DoNotOrder", "OrderOnNextConfirmedDay", "OrderOnPreviousConfirmedDay", "OrderAnyway"]


def test_import__costs_no_heavy_module() -> None:
    heavy = {"csv", "dataclasses", "importlib.resources", "inspect", "pathlib", "re", "typing", "holidays"}
    question = "import sys, business_day as b; b.calendar('TARGET'); print(*sys.modules)"
    command = [sys.executable, "-S", "-c", question]
    started = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert heavy.isdisjoint(started.stdout.split())
