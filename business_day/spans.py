"""The week, month, quarter and year of a day, each as its first and last day: what `Calendar.nth` and `.days` take.

bank.nth(5, *month(day))      the fifth business day of the month
bank.nth(-1, *quarter(day))   the last of the quarter
"""

from datetime import date, timedelta

QUARTER = 3


def week(day: date) -> tuple[date, date]:
    """Monday to Sunday."""
    monday = day - timedelta(days=day.weekday())
    return monday, monday + timedelta(days=6)


def month(day: date) -> tuple[date, date]:
    return _months(day.year, day.month, 1)


def quarter(day: date) -> tuple[date, date]:
    return _months(day.year, (day.month - 1) // QUARTER * QUARTER + 1, QUARTER)


def year(day: date) -> tuple[date, date]:
    return date(day.year, 1, 1), date(day.year, 12, 31)


def _months(year: int, first: int, how_many: int) -> tuple[date, date]:
    last = first + how_many - 1
    days = (date(year, last + 1, 1) - date(year, last, 1)).days if last < 12 else 31  # noqa: PLR2004 -- December
    return date(year, first, 1), date(year, last, days)
