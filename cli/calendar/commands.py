"""`feedfall calendar`: is it a business day, by which table, and does anybody say otherwise?

show, day, shift, list         look into a calendar; `--json` for a program
sync, import                   compare with the government's list, or with a bank's own table; they propose, and
                               import --apply takes a bank's own word for it
declare, withdraw, overrides   what is decided about a day (override.py)
"""

from __future__ import annotations

import getpass
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

import business_day
from business_day import Calendar, NoSuchDay, Override, Policy
from business_day.card import card
from business_day.dates import FORMS
from business_day.files import check_name
from cli import show
from cli.calendar import month
from cli.calendar.override import keep
from cli.options import By
from ledger.database import session
from operate.calendar import bank_table, compare, kasi
from operate.calendar.compare import Comparison
from steps.run import calendars, settings
from steps.run.exits import Exit, Misconfigured

KOREA = "Asia/Seoul"

app = typer.Typer(help="Business days: which there are, and why not.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A calendar, such as BANK; `list` names them all.", metavar="NAME")]
Period = Annotated[str, typer.Argument(help="A month such as 2026-09, or a year; now if absent.", metavar="[PERIOD]")]
Day = Annotated[str, typer.Argument(help=f"기준일자: {FORMS}.", metavar="DATE")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Days = Annotated[int | None, typer.Option(help="So many business days on, such as +3 or -1.")]
PolicyName = Annotated[Policy | None, typer.Option(help="What becomes of work of a closed day.")]
Year = Annotated[int, typer.Option(min=2004, max=2199, help="The year to compare.")]
Other = Annotated[str, typer.Option("--calendar", help="The calendar to compare.")]
Url = Annotated[str, typer.Option(envvar="FEEDFALL_KASI_URL", help="Another address of the service.")]
From = Annotated[str, typer.Option("--from", help="The CSV file; - for standard input.")]
Map = Annotated[list[str] | None, typer.Option("--map", help="MEANING=COLUMN, such as open=영업일여부.")]
As = Annotated[str, typer.Option("--as", help="Print a calendar file with this calendar instead of differences.")]
Apply = Annotated[bool, typer.Option("--apply", help="Declare what is proposed: all of it or none.")]
Toml = Annotated[bool, typer.Option("--toml", help="Print what is proposed as blocks of a calendar file.")]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List the calendars: what each covers, by which zone's days, and the version of its data."""
    found = [opened(name) for name in business_day.names(_own())]
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
def show_(name: Name, period: Period = "", *, as_json: Json = False) -> None:
    """Show a month for the wall, or the closures of a year."""
    calendar = opened(name)
    some_day, whole_year = _period(period, calendar)
    span = (business_day.year if whole_year else business_day.month)(some_day)
    shown = month.days(calendar, *span)
    if not any(each.covered for each in shown):
        calendar.closure(some_day)  # says what it covers
    if as_json:
        return show.as_json([card(calendar, each.day) for each in shown if each.covered])
    return _year(calendar, some_day) if whole_year else _print(*month.month_lines(calendar, some_day))


@app.command("day")
def day_(name: Name, day: Day, *, as_json: Json = False) -> None:
    """Tell whether a day is open, why not, and where it stands in its month."""
    calendar = opened(name)
    told = card(calendar, business_day.read_date(day))
    if as_json:
        return show.as_json(told)
    return _print(*_sentences(calendar, told))


@app.command("shift")
def shift(name: Name, day: Day, policy: PolicyName = None, days: Days = None, *, as_json: Json = False) -> None:
    """Print the day that a policy, or a number of business days, leads to. Exit 77 where work is not done at all."""
    calendar, asked = opened(name), business_day.read_date(day)
    found = _led(calendar, asked, policy, days)
    if as_json:
        answer = {"calendar": name, "base_date": asked, "policy": policy, "days": days}
        show.as_json({**answer, "shifted": found, "version": calendar.version})
    else:
        typer.echo(found or f"{name} is closed on {asked} ({calendar.closure(asked)}): {policy}")
    if found is None:
        raise typer.Exit(Exit.NOT_DONE)


@app.command("sync")
def sync(year: Year, name: Other = "BANK", url: Url = kasi.URL, *, toml: Toml = False, as_json: Json = False) -> None:
    """Compare a year with the government's list of public holidays (data.go.kr 특일정보). Applies nothing.

    The key that data.go.kr grants (its Decoding form) is read from FEEDFALL_KASI_KEY, never from the command line.
    """
    calendar = opened(name)
    if calendar.zone != KOREA:
        raise Misconfigured(f"{name} lives by the days of {calendar.zone}: the list is of Korea's public holidays")
    published = kasi.ask(os.environ.get("FEEDFALL_KASI_KEY", ""), year, url)
    if published is None:
        if as_json:
            return show.as_json({"calendar": name, "year": year, "published": False})
        return typer.echo(f"{year} is not published yet. That says nothing of its holidays: ask again later.")
    evidence = f"data.go.kr 특일정보 getRestDeInfo {year}, read {datetime.now(ZoneInfo(calendar.zone)):%Y-%m-%d}"
    found = compare.from_government(calendar, published.holidays, year, evidence)
    for day, word in published.no_holidays.items():
        typer.echo(f"passed over: {day} {word}, which the answer lists as no holiday", err=True)
    return _tell(calendar, found, toml=toml, as_json=as_json)


@app.command("import")
def import_(
    name: Name,
    file: From,
    by: By,
    columns: Map = None,
    as_name: As = "",
    *,
    apply: Apply = False,
    toml: Toml = False,
    as_json: Json = False,
) -> None:
    """Compare with a bank's own business-day table (CSV), or write it as a calendar file."""
    calendar = opened(name)
    table = bank_table.read(_bytes(file), bank_table.mapping(columns or ()))
    if as_name:
        check_name("--as", as_name, business_day.names())
        return typer.echo(compare.as_calendar(as_name, calendar, table))
    source = "standard input" if file == "-" else Path(file).name
    found = compare.from_bank(calendar, table, source)
    if apply and found.differences:
        keep([_signed(each.override, by) for each in found.differences])
    return _tell(calendar, found, toml=toml, as_json=as_json, applied=apply)


def _led(calendar: Calendar, day: date, policy: Policy | None, days: int | None) -> date | None:
    if policy and days is None:
        return business_day.shift(calendar, day, policy)
    if days is not None and not policy:
        return calendar.offset(day, days)
    raise Misconfigured("give either --policy or --days: `--policy=OrderOnNextConfirmedDay`, or `--days=+3`")


def opened(name: str) -> Calendar:
    """Open a calendar as a run would, with what was declared where DATABASE_URL says. Raises Failure, CalendarError."""
    if not os.environ.get("DATABASE_URL"):
        return business_day.calendar(name, own=_own())
    with session(os.environ["DATABASE_URL"], f"feedfall {getpass.getuser()}") as connection:
        return calendars.read_calendar(connection, name, settings.calendars(os.environ))


def as_command(override: Override) -> str:
    """The command that takes an override over."""
    words = f"feedfall calendar declare {override.calendar} {override.day} --{'open' if override.is_open else 'closed'}"
    return f"{words} --reason {shlex.quote(override.reason)} --evidence {shlex.quote(override.evidence)}"


def _path() -> str:
    return os.environ.get("FEEDFALL_CALENDARS", "")


def _own() -> business_day.Own:
    return business_day.read_own(_path())


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
        (each.day, month.weekday(each.day), (each.closure.kind if each.closure else "OPEN"), month.why(each))
        for each in month.listed(calendar, some_day)
    ]
    show.table(("date", "", "kind", "closed for"), lines, empty=f"No closure of a weekday in {some_day.year}.")
    first, last = business_day.year(some_day)
    if calendar.covers[0] <= first and last <= calendar.covers[1]:
        typer.echo(f"\n{calendar.count(first, last)} business days")
    _print(month.foot(calendar))


def _sentences(calendar: Calendar, told: Mapping[str, object]) -> Iterator[Text]:
    day = told["base_date"]
    assert isinstance(day, date)  # noqa: S101 -- a card's first field
    closure, override = calendar.closure(day), calendar.override(day)
    standing = f"closed on {calendar.name}: {closure}" if closure else f"open on {calendar.name}{_place(told)}"
    yield Text(f"{day} {month.weekday(day)} is {standing}", style="bold")
    if override:
        yield Text(_decision(override))
    for words, field in (
        ("previous business day", "prev_business_day"),
        ("next business day", "next_business_day"),
        ("first of the month", "month_first_business_day"),
        ("last of the month", "month_last_business_day"),
    ):
        found = told[field]
        yield Text(f"{words:22} {f'{found} {month.weekday(found)}' if isinstance(found, date) else 'not covered'}")
    yield month.foot(calendar)


def _place(told: Mapping[str, object]) -> str:
    """Where it stands in its month, as far as the calendar reaches."""
    nth, from_end = told["nth_of_month"], told["nth_from_month_end"]
    if not (isinstance(nth, int) and isinstance(from_end, int)):
        return ""
    return f": business day {nth} of {nth + from_end - 1} in its month"


def _decision(override: Override) -> str:
    who = override.by or "a calendar file"
    when = f" on {override.at:%Y-%m-%d}" if override.at else ""
    evidence = f"; see {override.evidence}" if override.evidence else ""
    done = "opened" if override.is_open else "closed"
    return f"{override.calendar} was {done} by {who}{when}: {override.reason}{evidence}"


def _signed(each: Override, by: str) -> Override:
    """A proposal as somebody's decision."""
    return Override(each.calendar, each.day, is_open=each.is_open, reason=each.reason, evidence=each.evidence, by=by)


def _tell(calendar: Calendar, found: Comparison, *, toml: bool, as_json: bool, applied: bool = False) -> None:
    """Say what differs, and what would make it agree."""
    overrides = [each.override for each in found.differences]
    if as_json:
        return show.as_json(_as_values(calendar, found))
    if toml:
        return typer.echo("\n\n".join(map(compare.as_toml, overrides)))
    for each in found.decided_otherwise:
        typer.echo(f"decided otherwise, and left so: {_line(each)}")
    if found.outside:
        typer.echo(f"{found.outside} days were not compared: {calendar.name} does not cover them")
    if not overrides:
        return typer.echo(f"{calendar.version} agrees on all {found.compared} days that were compared.")
    typer.echo(f"{calendar.version} differs on {len(overrides)} of {found.compared} days:\n")
    typer.echo("\n".join(f"  {_line(each)}" for each in found.differences))
    if applied:
        return typer.echo(f"\nAll {len(overrides)} are declared, and hold from the next run on.")
    typer.echo("\nNothing was changed. After a look at each, what would take it over:\n")
    return typer.echo("\n".join(f"  {as_command(each)}" for each in overrides))


def _line(each: compare.Difference) -> str:
    override = each.override
    said = "open" if override.is_open else "closed"
    return f"{override.day} {month.weekday(override.day)}  ours: {each.ours}  theirs: {said}, {override.reason}"


def _as_values(calendar: Calendar, found: Comparison) -> dict[str, object]:
    def lines(differences: Iterable[compare.Difference]) -> list[dict[str, object]]:
        return [
            {"base_date": each.override.day, "ours": each.ours, "is_business_day": each.override.is_open}
            | {"reason": each.override.reason, "evidence": each.override.evidence}
            for each in differences
        ]

    return {
        "calendar": calendar.name,
        "version": calendar.version,
        "published": True,
        "compared": found.compared,
        "outside": found.outside,
        "differences": lines(found.differences),
        "decided_otherwise": lines(found.decided_otherwise),
    }


def _bytes(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Misconfigured(f"{file}: {error.strerror}") from error


def _print(*lines: Text) -> None:
    screen = show.console()
    for line in lines:
        screen.print(line, soft_wrap=True)
