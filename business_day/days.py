"""One calendar's days: open or closed, the nearest open one, and counting in business days. Values in, values out."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from business_day.errors import Contradiction, NoSuchDay, NotCovered
from business_day.words import Closure, Override

DAY = timedelta(days=1)


class Calendar:
    """The business days of one calendar, made by `business_day.calendar`. Ask with a date, or with a moment.

    A moment is a datetime with a time zone; it stands for its date where the calendar lives (`zone`).
    """

    # no dataclass: its import triples the start
    __slots__ = (
        *("_closures", "_included", "_opened", "_overrides", "_weekend"),
        *("_days", "_known", "_version"),
        *("covers", "name", "zone"),
    )

    def __init__(
        self,
        name: str,
        zone: str,
        covers: tuple[date, date],
        weekend: Mapping[int, Closure],
        closures: Mapping[date, Closure],
        overrides: Iterable[Override] = (),
        opened: Mapping[date, str] | None = None,
        included: tuple["Calendar", ...] = (),
    ) -> None:
        self.name = name
        self.zone = zone
        self.covers = covers
        """The first and the last day that the calendar answers for."""
        self._weekend = weekend
        self._closures = closures
        self._opened = opened or {}
        self._included = included
        self._overrides = _by_day(overrides)
        self._known: dict[date, bool] = {}
        self._days: list[date] = []
        self._version = ""

    # -- one day --

    def is_business_day(self, day: date) -> bool:
        """Is it open? Raises NotCovered."""
        if type(day) is not date:
            day = self.date_of(day)
        try:
            return self._known[day]  # known already: ten times as fast as to look again
        except KeyError:
            known = self._known[day] = self.closure(day) is None
            return known

    def closure(self, day: date) -> Closure | None:
        """Why it is closed; None if it is open. Raises NotCovered."""
        day = self.date_of(day)
        decided = self._overrides.get(day)
        if decided:
            return None if decided.is_open else Closure("OVERRIDE", decided.reason)
        self._check_covered(day)
        if day in self._opened:
            return None
        return self._closures.get(day) or self._weekend.get(day.weekday()) or self._included_closure(day)

    def override(self, day: date) -> Override | None:
        """The decision that the answer of this day rests on, if any; perhaps of a calendar that it includes."""
        day = self.date_of(day)
        own = self._overrides.get(day)
        if own or not self._included:
            return own
        is_open = self.closure(day) is None
        found = (each.override(day) for each in self._included)
        return next((each for each in found if each and each.is_open is is_open), None)

    def date_of(self, moment: date) -> date:
        """The date of a moment where the calendar lives; a date is left alone. TypeError for one without a zone."""
        if not isinstance(moment, datetime):
            return moment
        if moment.tzinfo is None:
            raise TypeError(f"{moment!r} has no time zone, so it has no date in {self.zone}: give a date, or a zone")
        from zoneinfo import ZoneInfo  # noqa: PLC0415 -- twice the price of the rest, and dates do not need it

        return moment.astimezone(ZoneInfo(self.zone)).date()

    # -- from a day to another --

    def next(self, day: date) -> date:
        """Find the next business day, strictly after. Raises NotCovered where the table ends before there is one."""
        return self._nearest(day, DAY)

    def previous(self, day: date) -> date:
        """Find the last business day strictly before. Raises NotCovered where the table begins after it."""
        return self._nearest(day, -DAY)

    def offset(self, day: date, days: int) -> date:
        """Go so many business days forwards, or backwards if negative. From a closed day the first step leaves it.

        0 is the day itself, if it is open; from a closed day it is NoSuchDay: use `shift` there.
        """
        closure, day = self.closure(day), self.date_of(day)
        if days == 0:
            if closure:
                raise NoSuchDay(f"{day} is closed on {self.name} ({closure}): 0 business days from it is no day")
            return day
        opens = self._open_days()
        index = bisect_right(opens, day) + days - 1 if days > 0 else bisect_left(opens, day) + days
        if not 0 <= index < len(opens):
            raise NotCovered(f"{self.name} covers {self._range()}, not {days:+d} business days from {day}")
        return opens[index]

    # -- spans of days: any, or `month(day)`, `quarter(day)` … of business_day.spans --

    def days(self, first: date, last: date) -> list[date]:
        """List the business days from `first` to `last`, both included. Raises NotCovered."""
        low, high = self._positions(first, last)
        return self._open_days()[low:high]

    def count(self, first: date, last: date) -> int:
        """Count the business days from `first` to `last`, both included. Raises NotCovered."""
        low, high = self._positions(first, last)
        return high - low

    def nth(self, n: int, first: date, last: date) -> date:
        """The n-th business day of a span: 1 is its first, -1 its last. Raises NotCovered, NoSuchDay."""
        low, high = self._positions(first, last)
        index = low + n - 1 if n > 0 else high + n
        if n == 0 or not low <= index < high:
            raise NoSuchDay(
                f"{first} to {last} has {high - low} business days on {self.name}: business day {n} does not exist"
            )
        return self._open_days()[index]

    # -- what it decides with --

    @property
    def version(self) -> str:
        """What it decides with, such as BANK@3f9c21d0: its table and the overrides. The same data, the same version."""
        if not self._version:
            from hashlib import sha256  # noqa: PLC0415 -- most questions do not ask for it

            self._version = f"{self.name}@{sha256(self._statement().encode()).hexdigest()[:8]}"
        return self._version

    # -- within --

    def _check_covered(self, day: date) -> None:
        first, last = self.covers
        if not first <= day <= last:
            raise NotCovered(f"{self.name} covers {self._range()}, not {day}: extend its table or hand in an override")

    def _included_closure(self, day: date) -> Closure | None:
        for each in self._included:
            if closure := each.closure(day):
                return closure
        return None

    def _nearest(self, day: date, step: timedelta) -> date:
        self.closure(day)  # a day outside the table has no neighbours either
        day = self.date_of(day)
        try:
            day += step
            while not self.is_business_day(day):
                day += step
        except OverflowError:
            raise NotCovered(f"{self.name} covers {self._range()}, and {day} has no day beside it") from None
        return day

    def _positions(self, first: date, last: date) -> tuple[int, int]:
        first, last = self.date_of(first), self.date_of(last)
        if first > last:
            raise NoSuchDay(f"{first} to {last} runs backwards: the earlier day comes first")
        self._check_covered(first)
        self._check_covered(last)
        opens = self._open_days()
        return bisect_left(opens, first), bisect_right(opens, last)

    def _open_days(self) -> list[date]:
        """Every business day of the range, in order; made when it is first needed."""
        if not self._days:
            first, last = (day.toordinal() for day in self.covers)
            days = map(date.fromordinal, range(first, last + 1))
            self._days = [day for day in days if self._is_plain(day) or self.is_business_day(day)]
        return self._days

    def _is_plain(self, day: date) -> bool:
        """Does no rule speak of this day? Most are so, and known quickly."""
        named = day in self._closures or day in self._opened or day in self._overrides
        return not (named or self._included or day.weekday() in self._weekend)

    def _range(self) -> str:
        return f"{self.covers[0]} to {self.covers[1]}"

    def _statement(self) -> str:
        """Whatever an answer depends on, always written in the same way."""
        lines = [
            f"{self.zone} {self._range()} weekend {sorted(self._weekend)}",
            *(f"{day} closed {closure!r}" for day, closure in sorted(self._closures.items())),
            *(f"{day} open {name}" for day, name in sorted(self._opened.items())),
            *(f"{day} override {each.is_open} {each.reason}" for day, each in sorted(self._overrides.items())),
            *(each.version for each in self._included),
        ]
        return "\n".join(lines)


def _by_day(overrides: Iterable[Override]) -> dict[date, Override]:
    decided: dict[date, Override] = {}
    for each in overrides:
        other = decided.setdefault(each.day, each)
        if other.is_open != each.is_open:
            raise Contradiction(
                f"{each.calendar} {each.day} has two overrides that disagree: "
                f"{_describe(other)}, and {_describe(each)}. Withdraw one"
            )
    return decided


def _describe(override: Override) -> str:
    who = f" by {override.by}" if override.by else ""
    return f"{'open' if override.is_open else 'closed'}{who} ({override.reason})"
