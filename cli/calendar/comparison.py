"""`feedfall calendar sync` and `import`: compare a calendar with another source, and show what would make it agree."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

import business_day
from business_day import Calendar, Override
from business_day.files import check_name
from cli import show
from cli.calendar import month
from cli.calendar.override import CalendarName
from cli.options import By, Json, actor, aside
from operate.calendar import bank_table, compare, kasi, overrides, proposals
from operate.calendar.compare import CalendarComparison, Difference
from operate.calendar.source import open_calendar
from steps.run.exits import Misconfigured

YearNumber = Annotated[int, typer.Option("--year", min=2004, max=2199, help="The year to compare.")]
ComparedName = Annotated[str, typer.Option("--calendar", help="The calendar to compare.")]
KasiUrl = Annotated[str, typer.Option("--url", envvar="FEEDFALL_KASI_URL", help="Another address of the service.")]
TableFile = Annotated[str, typer.Option("--from", help="The CSV file; - is stdin.")]
ColumnMap = Annotated[list[str] | None, typer.Option("--map", help="MEANING=COLUMN, such as open=영업일여부.")]
AsName = Annotated[
    str, typer.Option("--as", help="Print the table as a calendar file with this name, and compare nothing.")
]
Apply = Annotated[bool, typer.Option("--apply", help="Declare what is proposed: all of it or nothing.")]
Toml = Annotated[bool, typer.Option("--toml", help="Print what is proposed as blocks of a calendar file.")]


def sync(
    year: YearNumber, name: ComparedName = "BANK", url: KasiUrl = kasi.URL, *, toml: Toml = False, as_json: Json = False
) -> None:
    """Compare a year with the government's list of public holidays (data.go.kr 특일정보). Applies nothing.

    The key that data.go.kr grants (its Decoding form) is read from FEEDFALL_KASI_KEY, never from the command line.
    """
    calendar = open_calendar(name, os.environ)
    result = proposals.sync(calendar, year, os.environ.get("FEEDFALL_KASI_KEY", ""), url, datetime.now(UTC))
    if result.comparison is None:
        if as_json:
            return show.as_json({"calendar": name, "year": year, "published": False})
        return show.say(f"{year} is not published yet. That says nothing of its holidays: ask again later.")
    for day, word in result.no_holidays.items():
        aside(f"skipped: {day} {word}, which the answer lists as no holiday")
    return _show(calendar, result.comparison, toml=toml, as_json=as_json)


def import_(
    name: CalendarName,
    file: TableFile,
    by: By,
    columns: ColumnMap = None,
    as_name: AsName = "",
    *,
    apply: Apply = False,
    toml: Toml = False,
    as_json: Json = False,
) -> None:
    """Compare with a bank's own business-day table (CSV), or write it as a calendar file."""
    calendar, content, meanings = open_calendar(name, os.environ), _bytes(file), bank_table.mapping(columns or ())
    if as_name:
        check_name("--as", as_name, business_day.names())
        return show.say(proposals.as_calendar_file(as_name, calendar, content, meanings))
    origin = "standard input" if file == "-" else Path(file).name
    found = proposals.import_table(calendar, content, meanings, origin)
    if apply and found.differences:
        wanted = [each.override for each in found.differences]
        overrides.declare(os.environ, wanted, actor(by), f"the table of {origin}")
    return _show(calendar, found, toml=toml, as_json=as_json, applied=apply)


def _show(calendar: Calendar, found: CalendarComparison, *, toml: bool, as_json: bool, applied: bool = False) -> None:
    """What differs, and what would make it agree."""
    proposed = [each.override for each in found.differences]
    if as_json:
        return show.as_json(_as_values(calendar, found))
    if toml:
        return show.say("\n\n".join(map(compare.as_toml, proposed)))
    for each in found.decided_otherwise:
        show.say(f"decided otherwise, and left so: {_line(each)}")
    if found.outside:
        show.say(f"{found.outside} days were not compared: {calendar.name} does not cover them")
    if not proposed:
        return show.say(f"{calendar.version} agrees on all {found.compared} days that were compared.")
    show.say(f"{calendar.version} differs on {len(proposed)} of {found.compared} days:\n")
    show.say("\n".join(f"  {_line(each)}" for each in found.differences))
    if applied:
        return show.say(f"\nAll {len(proposed)} are declared, and hold from the next run on.")
    show.say("\nNothing was changed. Check each day. These commands declare them:\n")
    return show.say("\n".join(f"  {_as_command(each)}" for each in proposed))


def _line(each: Difference) -> str:
    override = each.override
    theirs = "open" if override.is_open else "closed"
    return f"{override.day} {month.weekday(override.day)}  ours: {each.ours}  theirs: {theirs}, {override.reason}"


def _as_command(override: Override) -> str:
    """The command that declares an override."""
    words = f"feedfall calendar declare {override.calendar} {override.day} --{'open' if override.is_open else 'closed'}"
    return f"{words} --reason {shlex.quote(override.reason)} --evidence {shlex.quote(override.evidence)}"


def _as_values(calendar: Calendar, found: CalendarComparison) -> dict[str, object]:
    def lines(differences: Iterable[Difference]) -> list[dict[str, object]]:
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
