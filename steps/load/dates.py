"""Is it time for a row? Its base date against the feed's today, calendar and clock. Called by sub, release and redrive.

in the future ─────▶ deferred, until that day
closed on the calendar ─┬─ closed="load"        ▶ loaded: no calendar is needed
                        ├─ closed="defer"       ▶ deferred, until the next open day; loaded when that has come
                        └─ closed="quarantine"  ▶ quarantined
outside its table ─────▶ loaded or quarantined likewise: never a guess
after its due time ────▶ loaded, and counted as late
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from business_day import NotCovered
from ledger import chunk
from steps.run import calendars, gate

if TYPE_CHECKING:
    from collections.abc import Collection

    from business_day import Calendar
    from catalog import Feed
    from steps.run.execution import Execution


def open_dates(execution: Execution, feed: Feed) -> Dates | None:
    """Open the judge of a run's base dates; None for a feed whose rows have none."""
    if feed.base_date is None:
        return None
    calendar = None if feed.closed == "load" else calendars.open_calendar(execution, feed.calendar)
    return Dates(feed, calendar, execution.now())


@dataclass(frozen=True)
class Ruling:
    """What is to become of a good row for its base date's sake."""

    fate: str = "loaded"
    reason: str = ""
    until: date | None = None


LOAD = Ruling()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rule(feed: Feed, calendar: Calendar | None, base_date: date, today: date) -> Ruling:
    """Judge one base date. `calendar`: None where the feed loads closed days too."""
    if base_date > today:
        return Ruling("deferred", f"base date {base_date} is still to come in {feed.zone}", base_date)
    if calendar is None:
        return LOAD
    try:
        closure = calendar.closure(base_date)
        if closure is None:
            return LOAD
        words = f"{calendar.name} is closed on base date {base_date}: {closure}"
        if feed.closed == "quarantine":
            return Ruling("quarantined", words)
        opens = calendar.next(base_date)
    except NotCovered as error:
        return Ruling("quarantined", f"base date {base_date}: {error}; then redrive it with --calendar")
    return LOAD if opens <= today else Ruling("deferred", f"{words}; open next on {opens}", opens)


class Dates:
    """The rulings of one run: each base date is judged once, as of the run's beginning."""

    def __init__(self, feed: Feed, calendar: Calendar | None, now: datetime) -> None:
        self._feed, self._calendar, self._zone = feed, calendar, ZoneInfo(feed.zone)
        self._today = gate.today(feed, now)
        self._rulings: dict[str, Ruling] = {}
        self._dues: dict[str, int] = {}
        self._plain: set[str] = set()

    @property
    def calendar(self) -> str | None:
        """The calendar and its version, for the RESULT line: `TARGET@8c0a4d8b`."""
        return self._calendar.version if self._calendar else None

    def are_plain(self, texts: set[str]) -> bool:
        """Are all of these to be loaded, for all that they say?"""
        return texts <= self._plain or all(self.ruling(text) is LOAD for text in texts)

    def ruling(self, text: str) -> Ruling:
        """What a base date, as the message writes it, means for its row."""
        found = self._rulings.get(text)
        if found is None:
            found = self._rulings[text] = self._rule(text)
            if found is LOAD:
                self._plain.add(text)
        return found

    def due(self, text: str) -> int:
        """Milliseconds since 1970 after which a message of that base date is late."""
        found = self._dues.get(text)
        if found is None:
            base_date = _date(text)
            found = self._dues[text] = chunk.LATEST if base_date is None else self._due(base_date)
        return found

    def is_late(self, milliseconds: int, text: str) -> bool:
        """Did a message of that time come after the due time of that base date?"""
        return milliseconds > self.due(text)

    def are_late(self, texts: set[str], times: Collection[int]) -> bool | None:
        """Are all messages of these times and base dates late, or none of them? None: each has to be looked at."""
        dues = [self.due(text) for text in texts]
        if max(times) <= min(dues):
            return False
        return True if min(times) > max(dues) else None

    def _rule(self, text: str) -> Ruling:
        base_date = _date(text)
        return LOAD if base_date is None else rule(self._feed, self._calendar, base_date, self._today)

    def _due(self, base_date: date) -> int:
        at = datetime.combine(base_date, self._feed.due, self._zone)
        return int((at - EPOCH).total_seconds() * 1000)


def _date(text: str) -> date | None:
    """A date; None for the year 0000, which no calendar has and the database refuses in better words."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
