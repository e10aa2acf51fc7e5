"""A month as it hangs on a wall, and a year's closures: values to lines. Brackets close a day, # counts the others.

월 Mon   화 Tue   수 Wed   목 Thu   금 Fri   토 Sat   일 Sun
21 #15   22 #16   23 #17  [24]     [25]     [26]     [27]     24 추석 전날 · 25 추석
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from rich.text import Text

from business_day import Calendar, CalendarError, Closure, Override, month, week, year
from business_day.words import SATURDAY, SUNDAY, WEEKDAYS

CELL = 9
STYLES = {SATURDAY: "blue", SUNDAY: "red"}


@dataclass(frozen=True)
class Day:
    """A day as it is drawn. `nth`: business days of its month so far, 0 where that began before the calendar."""

    day: date
    nth: int
    closure: Closure | None
    override: Override | None
    covered: bool


def days(calendar: Calendar, first: date, last: date) -> list[Day]:
    """Look at every day of a span."""
    return [_day(calendar, first + timedelta(days=n)) for n in range((last - first).days + 1)]


def _day(calendar: Calendar, day: date) -> Day:
    try:
        closure = calendar.closure(day)
    except CalendarError:
        return Day(day, 0, None, None, covered=False)
    first, _ = month(day)
    nth = calendar.count(first, day) if first >= calendar.covers[0] and day <= calendar.covers[1] else 0
    return Day(day, nth, closure, calendar.override(day), covered=True)


def month_lines(calendar: Calendar, some_day: date) -> Iterator[Text]:
    """Draw the month of a day."""
    shown = {each.day: each for each in days(calendar, *month(some_day))}
    yield Text(f"{calendar.name}  {some_day:%Y-%m}  {_total(list(shown.values()))}", style="bold")
    yield Text()
    yield _heading()
    monday = week(some_day.replace(day=1))[0]
    while monday <= max(shown):
        yield _week([shown.get(monday + timedelta(days=n)) for n in range(7)])
        monday += timedelta(days=7)
    yield Text()
    yield foot(calendar)


def foot(calendar: Calendar) -> Text:
    """What it was answered with."""
    first, last = calendar.covers
    return Text(f"{calendar.version} covers {first} to {last} by the days of {calendar.zone}", style="dim")


def listed(calendar: Calendar, some_day: date) -> list[Day]:
    """What a year's list holds: closed weekdays, and what was decided."""
    return [each for each in days(calendar, *year(some_day)) if _named(each)]


def _named(day: Day) -> bool:
    """Is there more to say of it than that it is a weekend?"""
    return bool(day.override or (day.closure and day.closure.kind != "WEEKEND"))


def why(day: Day) -> str:
    """Why a day is closed, or open all the same; in Korean and English."""
    if day.override is None:
        return str(day.closure or "")
    who = f" by {day.override.by}" if day.override.by else ""
    return f"{day.override.reason} ({'opened' if day.override.is_open else 'closed'}{who})"


def weekday(day: date) -> str:
    """목 Thu."""
    korean, english = WEEKDAYS[day.weekday()]
    return f"{korean[0]} {english[:3]}"


def _total(shown: list[Day]) -> str:
    if not all(each.covered for each in shown):
        return "not covered to its ends"
    return f"{max(each.nth for each in shown)} business days"


def _heading() -> Text:
    monday, _ = week(date(2026, 1, 1))
    line = Text()
    for n in range(7):
        name = weekday(monday + timedelta(days=n))  # a Korean letter is two columns wide
        line.append(f" {name}".ljust(CELL - 1), style=f"bold {STYLES.get(n, '')}")
    line.rstrip()
    return line


def _week(shown: list[Day | None]) -> Text:
    line, notes = Text(), []
    for each in shown:
        line.append_text(_cell(each))
        if each and _named(each):
            notes.append(f"{each.day.day} {_short(each)}")
    line.append("  " + " · ".join(notes))
    line.rstrip()
    return line


def _short(day: Day) -> str:
    return why(day) if day.override or not day.closure else day.closure.name


def _cell(each: Day | None) -> Text:
    if each is None:
        return Text(" " * CELL)
    if not each.covered:
        return Text(f" {each.day.day:>2} ?".ljust(CELL), style="dim")
    if each.closure:
        return Text(f"[{each.day.day:>2}]".ljust(CELL), style=STYLES.get(each.day.weekday(), "red"))
    cell = Text(f" {each.day.day:>2} ")
    cell.append(f"#{each.nth or '?'}".ljust(CELL - 4), style="dim")
    return cell
