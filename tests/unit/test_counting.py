"""Counting in business days: offsets, spans, and the n-th of a month, against the slow way of looking at every day."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import business_day
from business_day import NoSuchDay, NotCovered, month, quarter, week, year
from business_day.card import card

CALENDARS = {name: business_day.calendar(name) for name in ("BANK", "KRX", "FX", "US", "TARGET", "NONE")}
BANK = CALENDARS["BANK"]
for each in CALENDARS.values():
    each.count(*each.covers)  # lists the days once, so that no property waits for it
names = st.sampled_from(list(CALENDARS))
days = st.dates(date(2018, 3, 1), date(2028, 10, 31))
steps = st.integers(1, 40)


@given(names, days, steps)
def test_offset__forwards_is_so_many_times_next(name: str, day: date, n: int) -> None:
    calendar, reached = CALENDARS[name], day
    for _ in range(n):
        reached = calendar.next(reached)
    assert calendar.offset(day, n) == reached


@given(names, days, steps)
def test_offset__backwards_is_so_many_times_previous(name: str, day: date, n: int) -> None:
    calendar, reached = CALENDARS[name], day
    for _ in range(n):
        reached = calendar.previous(reached)
    assert calendar.offset(day, -n) == reached


@given(names, days, st.integers(-40, 40))
def test_offset__and_back_is_where_it_began(name: str, day: date, n: int) -> None:
    calendar = CALENDARS[name]
    start = calendar.next(day)
    assert calendar.offset(calendar.offset(start, n), -n) == start


@given(names, days, days)
def test_count__is_every_day_looked_at(name: str, one: date, other: date) -> None:
    calendar, first, last = CALENDARS[name], min(one, other), max(one, other)
    looked = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    found = [day for day in looked if calendar.is_business_day(day)]
    assert calendar.days(first, last) == found
    assert calendar.count(first, last) == len(found)


@given(names, days, steps)
def test_count__is_the_offset_that_leads_there(name: str, day: date, n: int) -> None:
    calendar = CALENDARS[name]
    assert calendar.count(day + timedelta(days=1), calendar.offset(day, n)) == n


@given(names, days)
def test_nth__counts_a_month_from_either_end(name: str, day: date) -> None:
    calendar = CALENDARS[name]
    opens = calendar.days(*month(day))
    assert [calendar.nth(n, *month(day)) for n in range(1, len(opens) + 1)] == opens
    assert [calendar.nth(-n, *month(day)) for n in range(1, len(opens) + 1)] == opens[::-1]


@given(st.dates(date(1900, 1, 8), date(2199, 12, 20)))
def test_spans__hold_their_day_and_touch_the_next(day: date) -> None:
    for span in (week, month, quarter, year):
        first, last = span(day)
        assert first <= day <= last
        assert span(first) == span(last) == (first, last)
        assert span(last + timedelta(days=1))[0] == last + timedelta(days=1)


@pytest.mark.parametrize(
    ("span", "first", "last"),
    [
        (week, date(2026, 9, 21), date(2026, 9, 23)),  # Chuseok takes Thursday and Friday
        (month, date(2026, 9, 1), date(2026, 9, 30)),
        (quarter, date(2026, 7, 1), date(2026, 9, 30)),
        (year, date(2026, 1, 2), date(2026, 12, 31)),
    ],
)
def test_nth__finds_first_and_last_of_a_span(span: type, first: date, last: date) -> None:
    assert (BANK.nth(1, *span(date(2026, 9, 24))), BANK.nth(-1, *span(date(2026, 9, 24)))) == (first, last)


@pytest.mark.parametrize("n", [0, 21, -21])
def test_nth__that_a_month_does_not_have_says_how_many_it_has(n: int) -> None:
    with pytest.raises(
        NoSuchDay, match=f"2026-09-01 to 2026-09-30 has 20 business days on BANK: business day {n} does not exist"
    ):
        BANK.nth(n, *month(date(2026, 9, 1)))


def test_offset__of_nothing_is_an_open_day_itself() -> None:
    assert BANK.offset(date(2026, 9, 23), 0) == date(2026, 9, 23)
    with pytest.raises(NoSuchDay, match=r"2026-09-24 is closed on BANK \(추석 전날 .*\): 0 business days"):
        BANK.offset(date(2026, 9, 24), 0)


@pytest.mark.parametrize(("day", "n"), [(date(2028, 12, 20), 30), (date(2018, 1, 5), -30), (date(2029, 1, 2), -1)])
def test_offset__beyond_the_table_is_never_guessed(day: date, n: int) -> None:
    with pytest.raises(NotCovered, match="BANK covers 2018-01-01 to 2028-12-31, not"):
        BANK.offset(day, n)


@pytest.mark.parametrize(
    ("first", "last"),
    [(date(2017, 12, 31), date(2018, 2, 1)), (date(2028, 12, 1), date(2029, 1, 1))],
)
def test_span__that_leaves_the_table_is_not_covered(first: date, last: date) -> None:
    for question in (BANK.days, BANK.count, lambda *span: BANK.nth(1, *span)):
        with pytest.raises(NotCovered):
            question(first, last)


def test_span__that_runs_backwards_is_refused() -> None:
    with pytest.raises(NoSuchDay, match="2026-09-02 to 2026-09-01 runs backwards"):
        BANK.count(date(2026, 9, 2), date(2026, 9, 1))


@pytest.mark.parametrize("text", ["2026-09-24", "20260924", "260924"])
def test_date__is_read_as_people_and_schedulers_write_it(text: str) -> None:
    assert business_day.read_date(text) == date(2026, 9, 24)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-9-24",
        "2026/09/24",
        "2026-W39-4",
        "20260931",
        "261301",
        "26-09-24",
        "24092026",
        "+60924",
        "\uff12\uff16\uff10\uff19\uff12\uff14",
    ],
)
def test_date__in_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(NoSuchDay, match="is not a date: write YYYY-MM-DD, YYYYMMDD or YYMMDD"):
        business_day.read_date(text)


def test_card__describes_a_closed_day_in_the_words_of_a_banks_table() -> None:
    found = card(BANK, date(2026, 9, 24))
    assert found == {
        "base_date": date(2026, 9, 24),
        "weekday": "THU",
        "is_business_day": False,
        "holiday_kind": "PUBLIC",
        "holiday_name": "추석 전날",
        "holiday_name_en": "The day preceding Chuseok",
        "prev_business_day": date(2026, 9, 23),
        "next_business_day": date(2026, 9, 28),
        "month_first_business_day": date(2026, 9, 1),
        "month_last_business_day": date(2026, 9, 30),
        "nth_of_month": None,
        "nth_from_month_end": None,
        "calendar": "BANK",
        "version": BANK.version,
        "zone": "Asia/Seoul",
        "covered_from": date(2018, 1, 1),
        "covered_until": date(2028, 12, 31),
        "override_reason": None,
        "evidence": None,
        "updated_by": None,
        "updated_at": None,
    }


def test_card__counts_an_open_day_from_both_ends() -> None:
    found = card(BANK, date(2026, 9, 23))
    assert (found["nth_of_month"], found["nth_from_month_end"], found["holiday_kind"]) == (17, 4, None)


def test_card__knows_no_neighbour_beyond_the_table() -> None:
    assert card(BANK, date(2028, 12, 29))["next_business_day"] is None
    assert card(BANK, date(2018, 1, 1))["prev_business_day"] is None
    with pytest.raises(NotCovered):
        card(BANK, date(2029, 1, 1))
