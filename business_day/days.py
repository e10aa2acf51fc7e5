"""One calendar's days: open or closed, and the nearest open one. Values in, values out."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

DAY = timedelta(days=1)
WEEKEND = {5: "Saturday", 6: "Sunday"}


class NotCovered(LookupError):  # noqa: N818 -- reads as what it says
    """The calendar does not reach this day, and does not guess."""


class Calendar:
    """The business days of one calendar. Made by `business_day.calendar`."""

    __slots__ = ("_closures", "_overrides", "_weekend", "covers", "name")  # no dataclass: its import triples the start

    def __init__(
        self,
        name: str,
        covers: tuple[date, date],
        closures: Mapping[date, str],
        overrides: Mapping[date, bool],
        weekend: Mapping[int, str] = WEEKEND,
    ) -> None:
        self.name = name
        self.covers = covers
        self._closures = closures
        self._overrides = overrides
        self._weekend = weekend

    def is_business_day(self, day: date) -> bool:
        """Is it open? Raises NotCovered."""
        return self.closure(day) is None

    def closure(self, day: date) -> str | None:
        """Why it is closed ("Good Friday", "Sunday", "override"), None if it is open. Raises NotCovered."""
        if isinstance(day, datetime):
            raise TypeError(f"{day!r} is a moment: take its date() in the zone of {self.name} first")
        if day in self._overrides:
            return None if self._overrides[day] else "override"
        first, last = self.covers
        if not first <= day <= last:
            raise self._not_covered(day)
        return self._closures.get(day) or self._weekend.get(day.weekday())

    def next(self, day: date) -> date:
        """Find the next business day, strictly after. Raises NotCovered where the table ends before there is one."""
        return self._nearest(day, DAY)

    def previous(self, day: date) -> date:
        """Find the last business day strictly before. Raises NotCovered where the table begins after it."""
        return self._nearest(day, -DAY)

    def _nearest(self, day: date, step: timedelta) -> date:
        self.closure(day)  # a day outside the table has no neighbours either
        try:
            day += step
            while not self.is_business_day(day):
                day += step
        except OverflowError:
            raise self._not_covered(day) from None
        return day

    def _not_covered(self, day: date) -> NotCovered:
        first, last = self.covers
        return NotCovered(f"{self.name} covers {first} to {last}, not {day}: extend its table or hand in an override")
