"""`feedfall calendar`: which days are business days, by which table, and which were decided otherwise.

list, show, day, shift         look into a calendar; `--json` for a program
sync, import                   compare it with another source (comparison.py)
declare, withdraw, overrides   decide about a day (override.py)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

import business_day
from business_day import Calendar, NoSuchDay, Policy
from business_day.card import card
from cli import show
from cli.calendar import month
from cli.calendar.comparison import import_, sync
from cli.calendar.override import BaseDay, CalendarName, declare, overrides, withdraw
from cli.options import Json
from operate.calendar import source
from operate.calendar.days import list_days, special_days
from operate.calendar.source import open_calendar
from steps.run.exits import Exit

app = typer.Typer(help="Business days: which there are, and why not.", no_args_is_help=True)

Period = Annotated[str, typer.Argument(help="A month such as 2026-09, or a year; now if absent.", metavar="[PERIOD]")]
BusinessDays = Annotated[int | None, typer.Option("--days", help="How many business days on, such as +3 or -1.")]
PolicyName = Annotated[Policy | None, typer.Option(help="What becomes of the work of a closed day.")]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List the calendars: what each covers, by which zone's days, and the version of its data."""
    found = source.open_calendars(os.environ)
    if as_json:
        return show.as_json(
            [
                {"calendar": c.name, "covered_from": c.covers[0], "covered_until": c.covers[1], "zone": c.zone}
                | {"version": c.version}
                for c in found
            ]
        )
    lines = [(c.name, *c.covers, c.zone, c.version) for c in found]
    return show.table(("calendar", "from", "through", "zone", "version"), lines, empty="No calendar.")


@app.command("show")
def show_(name: CalendarName, period: Period = "", *, as_json: Json = False) -> None:
    """Show a month, or the closed weekdays of a year."""
    calendar = open_calendar(name, os.environ)
    some_day, whole_year = _period(period, calendar)
    span = (business_day.year if whole_year else business_day.month)(some_day)
    shown = list_days(calendar, *span)
    if not any(each.covered for each in shown):
        calendar.closure(some_day)  # says what it covers
    if as_json:
        return show.as_json([card(calendar, each.day) for each in shown if each.covered])
    return _year(calendar, some_day) if whole_year else show.styled(*month.month_lines(calendar, some_day))


@app.command("day")
def day_(name: CalendarName, day: BaseDay, *, as_json: Json = False) -> None:
    """Show whether a day is open, why not, and which business day of its month it is."""
    calendar = open_calendar(name, os.environ)
    facts = card(calendar, business_day.read_date(day))
    if as_json:
        return show.as_json(facts)
    return show.styled(*_sentences(calendar, facts))


@app.command("shift")
def shift(
    name: CalendarName, day: BaseDay, policy: PolicyName = None, days: BusinessDays = None, *, as_json: Json = False
) -> None:
    """Print the day that a policy, or a number of business days, leads to. Exit 77 where the work is not done."""
    calendar, base_date = open_calendar(name, os.environ), business_day.read_date(day)
    found = source.shift(calendar, base_date, policy, days)
    if as_json:
        answer = {"calendar": name, "base_date": base_date, "policy": policy, "days": days}
        show.as_json({**answer, "shifted": found, "version": calendar.version})
    else:
        show.say(found or f"{name} is closed on {base_date} ({calendar.closure(base_date)}): {policy}")
    if found is None:
        raise typer.Exit(Exit.NOT_DONE)


app.command("sync")(sync)
app.command("import")(import_)
app.command("declare")(declare)
app.command("withdraw")(withdraw)
app.command("overrides")(overrides)


def _period(text: str, calendar: Calendar) -> tuple[date, bool]:
    """The first day of a month or a year, and whether it is a year."""
    if not text:
        return datetime.now(ZoneInfo(calendar.zone)).date().replace(day=1), False
    digits = text.replace("-", "", 1) if len(text) == len("2026-09") and text[4] == "-" else text
    try:
        if digits.isascii() and digits.isdigit() and len(digits) in (4, 6):
            return date(int(digits[:4]), int(digits[4:] or 1), 1), len(digits) == len("2026")
    except ValueError:
        pass
    raise NoSuchDay(f"{text!r} is neither a month nor a year: write 2026-09, 202609 or 2026")


def _year(calendar: Calendar, some_day: date) -> None:
    lines = [
        (each.day, month.weekday(each.day), (each.closure.kind if each.closure else "OPEN"), each.why)
        for each in special_days(calendar, some_day)
    ]
    show.table(("date", "", "kind", "closed for"), lines, empty=f"No closure of a weekday in {some_day.year}.")
    first, last = business_day.year(some_day)
    if calendar.covers[0] <= first and last <= calendar.covers[1]:
        show.say(f"\n{calendar.count(first, last)} business days")
    show.styled(month.foot(calendar))


def _sentences(calendar: Calendar, facts: Mapping[str, object]) -> Iterator[Text]:
    day = facts["base_date"]
    assert isinstance(day, date)  # noqa: S101 -- a card's first field
    closure, override = calendar.closure(day), calendar.override(day)
    state = f"closed on {calendar.name}: {closure}" if closure else f"open on {calendar.name}{_place(facts)}"
    yield Text(f"{day} {month.weekday(day)} is {state}", style="bold")
    if override:
        who = override.by or "a calendar file"
        when = f" on {override.at:%Y-%m-%d}" if override.at else ""
        evidence = f"; see {override.evidence}" if override.evidence else ""
        act = "opened" if override.is_open else "closed"
        yield Text(f"{override.calendar} was {act} by {who}{when}: {override.reason}{evidence}")
    for words, field in (
        ("previous business day", "prev_business_day"),
        ("next business day", "next_business_day"),
        ("first of the month", "month_first_business_day"),
        ("last of the month", "month_last_business_day"),
    ):
        found = facts[field]
        yield Text(f"{words:22} {f'{found} {month.weekday(found)}' if isinstance(found, date) else 'not covered'}")
    yield month.foot(calendar)


def _place(facts: Mapping[str, object]) -> str:
    """Which business day of its month it is, as far as the calendar reaches."""
    nth, from_end = facts["nth_of_month"], facts["nth_from_month_end"]
    if not (isinstance(nth, int) and isinstance(from_end, int)):
        return ""
    return f": business day {nth} of {nth + from_end - 1} in its month"
