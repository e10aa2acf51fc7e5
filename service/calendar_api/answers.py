"""Answers out of a calendar, beside `business_day.card`: values in, plain values out, in the words of `words.py`."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from business_day import Calendar, NotCovered, month
from business_day.card import WEEKDAYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from business_day import Override

Answer = dict[str, Any]
DAY = timedelta(days=1)
WEEK = 7


def short(calendar: Calendar, asked: date) -> Answer:
    """One day, as a range lists it. Raises NotCovered."""
    closure = calendar.closure(asked)
    return {
        "base_date": asked,
        "weekday": WEEKDAYS[asked.weekday()],
        "is_business_day": closure is None,
        "holiday_kind": closure and closure.kind,
        "holiday_name": closure and closure.name,
    }


def days(calendar: Calendar, first: date, last: date) -> Answer:
    """Every day from first to last. Raises NotCovered, NoSuchDay."""
    return {
        "calendar": calendar.name,
        "business_days": calendar.count(first, last),
        "days": [short(calendar, each) for each in _every(first, last)],
        "version": calendar.version,
    }


def grid(calendar: Calendar, asked: date) -> Answer:
    """The month of a day, in weeks that begin on Sunday. Raises NotCovered."""
    first, last = month(asked)
    before = (first.weekday() + 1) % WEEK
    cells: list[Answer | None] = [None] * before
    cells += [short(calendar, each) for each in _every(first, last)]
    cells += [None] * (-len(cells) % WEEK)
    return {
        "calendar": calendar.name,
        "month": f"{first:%Y-%m}",
        "business_days": calendar.count(first, last),
        "weeks": [cells[start : start + WEEK] for start in range(0, len(cells), WEEK)],
        "version": calendar.version,
    }


def flags(calendars: Mapping[str, Calendar], asked: date) -> Answer:
    """One day on every calendar, in the flags of KIS's chk-holiday."""
    found = {name: _open(calendar, asked) for name, calendar in calendars.items()}
    bank, exchange = found.get("BANK"), found.get("KRX")
    return {
        "bass_dt": f"{asked:%Y%m%d}",
        "wday_dvsn_cd": f"{asked.isoweekday() % WEEK + 1:02}",
        "bzdy_yn": _yn(bank),
        "opnd_yn": _yn(exchange),
        "sttl_day_yn": None if bank is None or exchange is None else _yn(bank and exchange),
        "fx_yn": _yn(found.get("FX")),
        "calendars": {name: _yn(is_open) for name, is_open in found.items()},
        "versions": {name: calendar.version for name, calendar in calendars.items()},
    }


def coverage(calendar: Calendar, overrides: Sequence[Override]) -> Answer:
    """How far a calendar reaches."""
    return {
        "calendar": calendar.name,
        "zone": calendar.zone,
        "covered_from": calendar.covers[0],
        "covered_until": calendar.covers[1],
        "overrides": len(overrides),
        "version": calendar.version,
    }


def decision(override: Override) -> Answer:
    """A decision as it is told."""
    names = ("calendar", "day", "is_open", "reason", "evidence", "by", "at")
    return {name: getattr(override, name) for name in names}


def _every(first: date, last: date) -> list[date]:
    return [first + number * DAY for number in range((last - first).days + 1)]


def _open(calendar: Calendar, asked: date) -> bool | None:
    try:
        return calendar.is_business_day(asked)
    except NotCovered:
        return None


def _yn(is_open: bool | None) -> str | None:  # noqa: FBT001 -- the value itself
    return None if is_open is None else "Y" if is_open else "N"
