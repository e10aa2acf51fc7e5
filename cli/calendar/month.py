"""A month, drawn as lines. Brackets close a day, # counts the business days of the month.

월 Mon   화 Tue   수 Wed   목 Thu   금 Fri   토 Sat   일 Sun
21 #15   22 #16   23 #17  [24]     [25]     [26]     [27]     24 추석 전날 · 25 추석
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from rich.text import Text

from business_day import Calendar, month, week
from business_day.words import SATURDAY, SUNDAY, WEEKDAYS
from operate.calendar.days import CalendarDay, list_days

CELL = 9
STYLES = {SATURDAY: "blue", SUNDAY: "red"}


def month_lines(calendar: Calendar, some_day: date) -> Iterator[Text]:
    """Draw the month of a day."""
    shown = {each.day: each for each in list_days(calendar, *month(some_day))}
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
    """Which data the calendar has, and for which days."""
    first, last = calendar.covers
    return Text(f"{calendar.version} covers {first} to {last} by the days of {calendar.zone}", style="dim")


def weekday(day: date) -> str:
    """목 Thu."""
    korean, english = WEEKDAYS[day.weekday()]
    return f"{korean[0]} {english[:3]}"


def _total(shown: list[CalendarDay]) -> str:
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


def _week(shown: list[CalendarDay | None]) -> Text:
    line, notes = Text(), []
    for each in shown:
        line.append_text(_cell(each))
        if each and each.is_special:
            notes.append(f"{each.day.day} {_short(each)}")
    line.append("  " + " · ".join(notes))
    line.rstrip()
    return line


def _short(day: CalendarDay) -> str:
    return day.why if day.override or not day.closure else day.closure.name


def _cell(each: CalendarDay | None) -> Text:
    if each is None:
        return Text(" " * CELL)
    if not each.covered:
        return Text(f" {each.day.day:>2} ?".ljust(CELL), style="dim")
    if each.closure:
        return Text(f"[{each.day.day:>2}]".ljust(CELL), style=STYLES.get(each.day.weekday(), "red"))
    cell = Text(f" {each.day.day:>2} ")
    cell.append(f"#{each.nth or '?'}".ljust(CELL - 4), style="dim")
    return cell
