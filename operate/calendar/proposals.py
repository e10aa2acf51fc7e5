"""sync and import: compare a calendar with the government's list, or with a bank's own table. They change nothing.

Called by `feedfall calendar sync` and `feedfall calendar import`; `overrides.declare` applies what a person accepts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from business_day import Calendar
from operate.calendar import bank_table, compare, kasi
from operate.calendar.compare import CalendarComparison
from steps.run.exits import Misconfigured

KOREA = "Asia/Seoul"


@dataclass(frozen=True)
class SyncResult:
    """A year compared with the government's list. `comparison` None: the list does not have that year yet."""

    year: int
    comparison: CalendarComparison | None
    no_holidays: Mapping[date, str] = field(default_factory=dict)
    """Days that the list names, but does not call holidays: they were not compared."""


def sync(calendar: Calendar, year: int, key: str, url: str, now: datetime) -> SyncResult:
    """Compare a year with the public holidays of data.go.kr 특일정보. `key`: its Decoding key. Raises Failure."""
    if calendar.zone != KOREA:
        raise Misconfigured(
            f"{calendar.name} lives by the days of {calendar.zone}: the list is of Korea's public holidays"
        )
    published = kasi.ask(key, year, url)
    if published is None:
        return SyncResult(year, None)
    evidence = f"data.go.kr 특일정보 getRestDeInfo {year}, read {now.astimezone(ZoneInfo(calendar.zone)):%Y-%m-%d}"
    comparison = compare.from_government(calendar, published.holidays, year, evidence)
    return SyncResult(year, comparison, published.no_holidays)


def import_table(calendar: Calendar, content: bytes, columns: Mapping[str, str], origin: str) -> CalendarComparison:
    """Compare with a bank's own table, a CSV file. `origin`: its name, the evidence of what is proposed."""
    return compare.from_bank(calendar, bank_table.read(content, columns), origin)


def as_calendar_file(name: str, calendar: Calendar, content: bytes, columns: Mapping[str, str]) -> str:
    """A bank's own table as a calendar file. `calendar` gives the names of closures that the table does not name."""
    return compare.as_calendar(name, calendar, bank_table.read(content, columns))
