"""Is it a business day? The rules, the range that nobody may guess beyond, overrides, and Control-M's policies."""

import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import business_day
from business_day import Closure, Contradiction, NotCovered, Override, Policy, UnknownCalendar

TARGET = business_day.calendar("TARGET")
GOOD_FRIDAY, EASTER_MONDAY = date(2026, 4, 3), date(2026, 4, 6)
FIRST, LAST = date(1999, 1, 1), date(2028, 12, 31)


@pytest.mark.parametrize(
    ("day", "closure"),
    [
        (date(2026, 11, 20), None),  # a plain Friday
        (date(2026, 11, 21), "토요일 (Saturday)"),
        (date(2026, 11, 22), "일요일 (Sunday)"),
        (GOOD_FRIDAY, "Good Friday"),
        (EASTER_MONDAY, "Easter Monday"),
        (date(2026, 5, 1), "Labour Day"),
        (date(2026, 12, 25), "Christmas Day"),
        (date(2026, 12, 31), None),  # a bank holiday in Korea's markets, not in TARGET
        (date(2001, 12, 31), "Additional closing day"),  # the euro's cash changeover
        (date(2026, 12, 26), "토요일 (Saturday)"),  # a holiday that falls on a weekend is not in the table
        (FIRST, "New Year's Day"),
        (LAST, "일요일 (Sunday)"),
    ],
)
def test_closure__says_why(day: date, closure: str | None) -> None:
    found = TARGET.closure(day)
    assert (found and str(found)) == closure
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


@pytest.mark.parametrize(
    ("name", "moment", "day"),
    [
        ("BANK", datetime(2026, 9, 23, 23, 30, tzinfo=UTC), date(2026, 9, 24)),  # Chuseok's eve in Seoul already
        ("BANK", datetime(2026, 9, 23, 14, 59, tzinfo=UTC), date(2026, 9, 23)),  # a minute before it
        ("US", datetime(2026, 12, 25, 3, 0, tzinfo=UTC), date(2026, 12, 24)),  # Christmas Eve still in New York
        ("TARGET", datetime(2026, 4, 2, 22, 30, tzinfo=UTC), GOOD_FRIDAY),  # in Brussels, by summer time
    ],
)
def test_a_moment__is_judged_by_its_date_where_the_calendar_lives(name: str, moment: datetime, day: date) -> None:
    calendar = business_day.calendar(name)
    assert calendar.date_of(moment) == day
    assert calendar.is_business_day(moment) is calendar.is_business_day(day)


def test_a_moment__counts_in_every_question() -> None:
    bank, eve = business_day.calendar("BANK"), datetime(2026, 9, 23, 23, 30, tzinfo=UTC)
    assert bank.next(eve) == bank.offset(eve, 1) == date(2026, 9, 28)
    assert bank.previous(eve) == date(2026, 9, 23)
    assert business_day.shift(bank, eve, Policy.ANYWAY) == date(2026, 9, 24)


def test_a_moment_without_a_zone__is_refused() -> None:
    with pytest.raises(TypeError, match="no time zone, so it has no date in Europe/Brussels"):
        TARGET.is_business_day(datetime(2026, 4, 2, 23, 30))  # noqa: DTZ001 -- on purpose


def test_unknown_calendar__lists_those_there_are() -> None:
    with pytest.raises(UnknownCalendar, match="no calendar 'TARGT': there are BANK, FX, KRX, NONE, TARGET, US"):
        business_day.calendar("TARGT")


def test_unknown_calendar__is_no_way_out_of_the_folder() -> None:
    with pytest.raises(UnknownCalendar):
        business_day.calendar("../tables/TARGET")


@pytest.mark.parametrize("day", [date(1900, 1, 1), date(2026, 11, 22), date(2026, 12, 25), date(2199, 12, 31)])
def test_none__is_open_every_day(day: date) -> None:
    assert business_day.calendar("NONE").is_business_day(day)


def test_none__ends_where_nobody_plans() -> None:
    none = business_day.calendar("NONE")
    assert none.next(date(2026, 11, 20)) == date(2026, 11, 21)
    with pytest.raises(NotCovered):
        none.next(date(2199, 12, 31))
    with pytest.raises(NotCovered):
        none.previous(date(1900, 1, 1))


def decided(day: date, name: str = "TARGET", *, opens: bool, reason: str = "decided") -> Override:
    return Override(name, day, is_open=opens, reason=reason)


def test_override__wins_in_both_directions() -> None:
    saturday = decided(date(2026, 4, 4), opens=True)
    closed = decided(date(2026, 4, 2), opens=False, reason="strike")
    calendar = business_day.calendar("TARGET", [decided(GOOD_FRIDAY, opens=True), closed, saturday])
    assert calendar.closure(date(2026, 4, 2)) == Closure("OVERRIDE", "strike")
    assert calendar.next(date(2026, 4, 1)) == GOOD_FRIDAY
    assert calendar.next(GOOD_FRIDAY) == date(2026, 4, 4)
    assert calendar.days(date(2026, 4, 1), date(2026, 4, 7)) == [
        date(2026, 4, 1), GOOD_FRIDAY, date(2026, 4, 4), date(2026, 4, 7)
    ]  # fmt: skip


def test_override__tells_who_decided_it() -> None:
    strike = Override(
        "TARGET", GOOD_FRIDAY, is_open=False, reason="strike", by="kim", at=datetime(2026, 3, 1, tzinfo=UTC)
    )
    assert business_day.calendar("TARGET", [strike]).override(GOOD_FRIDAY) == strike
    assert TARGET.override(GOOD_FRIDAY) is None


def test_override__of_another_calendar_changes_nothing() -> None:
    assert not business_day.calendar("TARGET", [decided(GOOD_FRIDAY, "BANK", opens=True)]).is_business_day(GOOD_FRIDAY)


def test_override__closes_a_day_of_none() -> None:
    calendar = business_day.calendar("NONE", [decided(date(2026, 11, 20), "NONE", opens=False)])
    assert calendar.next(date(2026, 11, 19)) == date(2026, 11, 21)


def test_override__answers_for_its_own_day_beyond_the_table() -> None:
    calendar = business_day.calendar("TARGET", [decided(date(2029, 1, 2), opens=True)])
    assert calendar.is_business_day(date(2029, 1, 2))
    with pytest.raises(NotCovered):  # New Year's Day of 2029 is nobody's word
        calendar.next(date(2028, 12, 29))


def test_overrides__that_disagree_on_a_day_are_refused() -> None:
    both = [decided(GOOD_FRIDAY, opens=True, reason="drill"), decided(GOOD_FRIDAY, opens=False, reason="no drill")]
    with pytest.raises(
        Contradiction, match=r"2026-04-03 has two overrides that disagree: open \(drill\), and closed \(no drill\)"
    ):
        business_day.calendar("TARGET", both)


def test_overrides__may_say_the_same_twice() -> None:
    twice = [decided(GOOD_FRIDAY, opens=True, reason="drill"), decided(GOOD_FRIDAY, opens=True, reason="also")]
    assert business_day.calendar("TARGET", twice).is_business_day(GOOD_FRIDAY)


def test_version__is_the_same_for_the_same_data() -> None:
    version = TARGET.version
    assert re.fullmatch(r"TARGET@[0-9a-f]{8}", version)
    assert business_day.calendar("TARGET").version == version


@pytest.mark.parametrize(
    "override",
    [
        decided(GOOD_FRIDAY, opens=True),
        decided(date(2026, 4, 2), opens=False),
        decided(GOOD_FRIDAY, opens=False),  # agrees with the table: still another statement
    ],
)
def test_version__changes_with_an_override(override: Override) -> None:
    assert business_day.calendar("TARGET", [override]).version != TARGET.version


def test_version__does_not_change_with_an_override_of_another_calendar() -> None:
    assert business_day.calendar("TARGET", [decided(GOOD_FRIDAY, "BANK", opens=True)]).version == TARGET.version


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
    heavy = {"csv", "dataclasses", "hashlib", "importlib.resources", "json", "tomllib", "zoneinfo"} | {
        "inspect",
        "pathlib",
        "re",
        "typing",
        "holidays",
    }
    question = "import sys, business_day as b; b.calendar('TARGET'); print(*sys.modules)"
    command = [sys.executable, "-S", "-c", question]
    started = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert heavy.isdisjoint(started.stdout.split())


@pytest.mark.parametrize("day", [date.max, date.min])
def test_neighbour__of_a_day_at_the_end_of_time_is_not_covered(day: date) -> None:
    """An override reaches beyond the table; the day after the last there is does not exist."""
    bank = business_day.calendar("BANK", [Override("BANK", day, is_open=True, reason="by mistake")])
    assert bank.is_business_day(day)
    for neighbour in (bank.next, bank.previous):
        with pytest.raises(NotCovered):
            neighbour(day)
