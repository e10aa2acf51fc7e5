"""What the tables say, judged by others: the gazette's 191 days, KRX's own list, the Federal Reserve's.

The ECB's 7,126 fixing days judge TARGET in `tests/contract/test_partner_simulator.py`.
"""

from datetime import date, timedelta

import pytest

import business_day
from business_day import Calendar
from gazette import gazette

BANK, KRX, FX, US = (business_day.calendar(name) for name in ("BANK", "KRX", "FX", "US"))


def closed_weekdays(calendar: Calendar, first: int, last: int) -> list[date]:
    start = date(first, 1, 1)
    days = (start + timedelta(days=n) for n in range((date(last, 12, 31) - start).days + 1))
    return [day for day in days if day.weekday() < 5 and not calendar.is_business_day(day)]


def test_gazette__is_whole() -> None:
    assert len(gazette()) == 191
    assert {day.year for day in gazette()} == set(range(2018, 2028))


@pytest.mark.parametrize("calendar", [BANK, KRX, FX], ids=lambda calendar: calendar.name)
def test_gazette__every_day_of_it_is_closed(calendar: Calendar) -> None:
    assert [day for day in gazette() if calendar.is_business_day(day)] == []


def test_bank__closes_no_other_weekday_but_workers_day_until_2025() -> None:
    others = [day for day in closed_weekdays(BANK, 2018, 2027) if day not in gazette()]
    workers_days = [date(year, 5, 1) for year in range(2018, 2026)]
    assert others == [day for day in workers_days if day.weekday() < 5]
    assert {BANK.closure(day).kind for day in others} == {"BANK"}  # type: ignore[union-attr] # they are closed


@pytest.mark.parametrize("market", [KRX, FX], ids=lambda calendar: calendar.name)
def test_markets__differ_from_banks_on_the_years_last_business_day_alone(market: Calendar) -> None:
    year_ends = [BANK.nth(-1, *business_day.year(date(year, 1, 1))) for year in range(2020, 2028)]
    assert len(year_ends) == 8
    assert sorted(set(closed_weekdays(market, 2020, 2027)) - set(closed_weekdays(BANK, 2020, 2027))) == year_ends
    assert set(closed_weekdays(BANK, 2020, 2027)) <= set(closed_weekdays(market, 2020, 2027))


#: The exchange's 휴장일 of 2026 on weekdays: 16 as announced for the year, and 07-17 by the law of February 2026.
KRX_2026 = [
    date(2026, month, day)
    for month, day in (
        *((1, 1), (2, 16), (2, 17), (2, 18), (3, 2), (5, 1), (5, 5), (5, 25), (6, 3)),
        *((7, 17), (8, 17), (9, 24), (9, 25), (10, 5), (10, 9), (12, 25), (12, 31)),
    )
]


def test_krx__closes_on_its_own_17_days_of_2026() -> None:
    assert len(KRX_2026) == 17
    assert closed_weekdays(KRX, 2026, 2026) == KRX_2026


def test_bank__business_days_a_year() -> None:
    counted = [BANK.count(*business_day.year(date(year, 1, 1))) for year in range(2020, 2028)]
    assert counted == [249, 249, 247, 246, 245, 243, 245, 246]


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        (date(2020, 8, 17), "TEMPORARY"),  # decided on 07-21
        (date(2023, 10, 2), "TEMPORARY"),  # on 09-05
        (date(2024, 10, 1), "TEMPORARY"),  # on 09-03
        (date(2025, 1, 27), "TEMPORARY"),  # on 01-14
        (date(2025, 5, 1), "BANK"),  # closed for banks, no public holiday
        (date(2025, 6, 3), "ELECTION"),  # called two months before
        (date(2026, 5, 1), "PUBLIC"),  # a public holiday by the law of 2026
        (date(2026, 7, 17), "PUBLIC"),  # again, after 18 years
        (date(2027, 5, 3), "SUBSTITUTE"),
        (date(2027, 7, 19), "SUBSTITUTE"),
        (date(2028, 10, 5), "SUBSTITUTE"),  # Chuseok falls on 개천절
        (date(2026, 9, 26), "WEEKEND"),  # Chuseok's third day, a Saturday …
        (date(2026, 9, 28), None),  # … has no substitute: QuantLib closed it for a month
        (date(2027, 6, 7), None),  # nor has Memorial Day, a Sunday
        (date(2026, 12, 31), None),  # banks are open where markets are not
    ],
)
def test_bank__knows_the_days_that_others_got_wrong(day: date, kind: str | None) -> None:
    closure = BANK.closure(day)
    assert (closure and closure.kind) == kind


def test_korean_names__are_there_in_both_languages() -> None:
    assert str(BANK.closure(date(2026, 9, 25))) == "추석 (Chuseok)"
    assert str(KRX.closure(date(2026, 12, 31))) == "연말휴장일 (End of Year Holiday)"


@pytest.mark.parametrize("calendar", [BANK, KRX, FX], ids=lambda calendar: calendar.name)
def test_korean_names__never_follow_the_locale_of_whoever_made_the_table(calendar: Calendar) -> None:
    closures = [calendar.closure(day) for day in closed_weekdays(calendar, 2018, 2028)]
    assert all(each and not each.name.isascii() and each.english.isascii() and each.english for each in closures)


#: The Federal Reserve Banks' schedule (richmondfed.org/about_us/holiday_schedule) on weekdays.
FEDERAL_RESERVE = {
    2025: [(1, 1), (1, 20), (2, 17), (5, 26), (6, 19), (7, 4), (9, 1), (10, 13), (11, 11), (11, 27), (12, 25)],
    2026: [(1, 1), (1, 19), (2, 16), (5, 25), (6, 19), (9, 7), (10, 12), (11, 11), (11, 26), (12, 25)],
    2027: [(1, 1), (1, 18), (2, 15), (5, 31), (7, 5), (9, 6), (10, 11), (11, 11), (11, 25)],
}


@pytest.mark.parametrize("year", FEDERAL_RESERVE)
def test_us__is_the_federal_reserves_schedule(year: int) -> None:
    assert closed_weekdays(US, year, year) == [date(year, *day) for day in FEDERAL_RESERVE[year]]


@pytest.mark.parametrize("day", [date(2021, 12, 24), date(2021, 12, 31), date(2026, 7, 3), date(2027, 6, 18)])
def test_us__is_open_on_the_friday_before_a_saturday_holiday(day: date) -> None:
    assert US.is_business_day(day)


@pytest.mark.parametrize(
    ("name", "zone", "first"),
    [
        ("BANK", "Asia/Seoul", 2018),
        ("KRX", "Asia/Seoul", 2018),
        ("FX", "Asia/Seoul", 2018),
        ("US", "America/New_York", 2000),
        ("TARGET", "Europe/Brussels", 1999),
    ],
)
def test_calendar__knows_its_range_and_its_zone(name: str, zone: str, first: int) -> None:
    calendar = business_day.calendar(name)
    assert (calendar.zone, calendar.covers) == (zone, (date(first, 1, 1), date(2028, 12, 31)))
