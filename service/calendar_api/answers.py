"""Answers out of a calendar, beside `business_day.card`: plain values with the fields of `schemas.py`."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from business_day import Calendar, NotCovered, month
from business_day.card import WEEKDAYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from business_day import Override

Fields = dict[str, Any]
DAY = timedelta(days=1)
WEEK = 7


def day_brief(calendar: Calendar, day: date) -> Fields:
    """One day, as a range lists it. Raises NotCovered."""
    closure = calendar.closure(day)
    return {
        "base_date": day,
        "weekday": WEEKDAYS[day.weekday()],
        "is_business_day": closure is None,
        "holiday_kind": closure and closure.kind,
        "holiday_name": closure and closure.name,
    }


def day_range(calendar: Calendar, first: date, last: date) -> Fields:
    """Every day from first to last. Raises NotCovered, NoSuchDay."""
    return {
        "calendar": calendar.name,
        "business_days": calendar.count(first, last),
        "days": [day_brief(calendar, each) for each in _every(first, last)],
        "version": calendar.version,
    }


def month_grid(calendar: Calendar, day: date) -> Fields:
    """The month of a day, in weeks that begin on Sunday. Raises NotCovered."""
    first, last = month(day)
    before = (first.weekday() + 1) % WEEK
    cells: list[Fields | None] = [None] * before
    cells += [day_brief(calendar, each) for each in _every(first, last)]
    cells += [None] * (-len(cells) % WEEK)
    return {
        "calendar": calendar.name,
        "month": f"{first:%Y-%m}",
        "business_days": calendar.count(first, last),
        "weeks": [cells[start : start + WEEK] for start in range(0, len(cells), WEEK)],
        "version": calendar.version,
    }


def day_flags(calendars: Mapping[str, Calendar], day: date) -> Fields:
    """One day on every calendar, in the flags of KIS's chk-holiday."""
    found = {name: _open(calendar, day) for name, calendar in calendars.items()}
    bank, exchange = found.get("BANK"), found.get("KRX")
    return {
        "bass_dt": f"{day:%Y%m%d}",
        "wday_dvsn_cd": f"{day.isoweekday() % WEEK + 1:02}",
        "bzdy_yn": _yn(bank),
        "opnd_yn": _yn(exchange),
        "sttl_day_yn": None if bank is None or exchange is None else _yn(bank and exchange),
        "fx_yn": _yn(found.get("FX")),
        "calendars": {name: _yn(is_open) for name, is_open in found.items()},
        "versions": {name: calendar.version for name, calendar in calendars.items()},
    }


def coverage(calendar: Calendar, overrides: Sequence[Override]) -> Fields:
    """How far a calendar reaches."""
    return {
        "calendar": calendar.name,
        "zone": calendar.zone,
        "covered_from": calendar.covers[0],
        "covered_until": calendar.covers[1],
        "overrides": len(overrides),
        "version": calendar.version,
    }


def override_fields(override: Override) -> Fields:
    """The fields of an override."""
    names = ("calendar", "day", "is_open", "reason", "evidence", "by", "at")
    return {name: getattr(override, name) for name in names}


def _every(first: date, last: date) -> list[date]:
    return [first + number * DAY for number in range((last - first).days + 1)]


def _open(calendar: Calendar, day: date) -> bool | None:
    try:
        return calendar.is_business_day(day)
    except NotCovered:
        return None


def _yn(is_open: bool | None) -> str | None:  # noqa: FBT001 -- the value itself
    return None if is_open is None else "Y" if is_open else "N"
