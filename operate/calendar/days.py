"""Days of a calendar, as a month or a year shows them: is it open, why not, and which business day of its month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from business_day import Calendar, CalendarError, Closure, Override, month, year


@dataclass(frozen=True)
class CalendarDay:
    """One day. `nth`: business days of its month so far, 0 where the month began before the calendar."""

    day: date
    nth: int
    closure: Closure | None
    override: Override | None
    covered: bool

    @property
    def is_special(self) -> bool:
        """Is there more to say about it than that it is a weekend?"""
        return bool(self.override or (self.closure and self.closure.kind != "WEEKEND"))

    @property
    def why(self) -> str:
        """Why it is closed, or open although its table closes it; in Korean and English."""
        if self.override is None:
            return str(self.closure or "")
        who = f" by {self.override.by}" if self.override.by else ""
        return f"{self.override.reason} ({'opened' if self.override.is_open else 'closed'}{who})"


def list_days(calendar: Calendar, first: date, last: date) -> list[CalendarDay]:
    """Every day from the first to the last."""
    return [_day(calendar, first + timedelta(days=n)) for n in range((last - first).days + 1)]


def special_days(calendar: Calendar, some_day: date) -> list[CalendarDay]:
    """The closed weekdays of a year, and its overrides."""
    return [each for each in list_days(calendar, *year(some_day)) if each.is_special]


def _day(calendar: Calendar, day: date) -> CalendarDay:
    try:
        closure = calendar.closure(day)
    except CalendarError:
        return CalendarDay(day, 0, None, None, covered=False)
    first, _ = month(day)
    nth = calendar.count(first, day) if first >= calendar.covers[0] and day <= calendar.covers[1] else 0
    return CalendarDay(day, nth, closure, calendar.override(day), covered=True)
