"""IS IT A BUSINESS DAY? Pure rules over dated tables; the standard library only, since a pod pays for every import.

    calendar("BANK") ──▶ Calendar ─┬─ is_business_day(day), closure(day): is it open; if not, why
                                   ├─ next(day), previous(day), offset(day, n): from one business day to another
                                   ├─ days, count, nth(n, *month(day)): of any span, or a week, month, quarter, year
                                   ├─ covers: the first and last day it answers for; outside NotCovered, no guess
                                   └─ version: what it decides with, such as BANK@3f9c21d0; kept with a decision
    shift(calendar, day, policy) ──▶ the day on which work runs, or None: Control-M's four policies by name

    BANK    Korean banks                     KRX    Korea Exchange: BANK's closures and the year's last business day
    FX      Seoul's interbank FX, as KRX     US     Federal Reserve, where dollars settle
    TARGET  the euro's T2                    NONE   every day is a business day

The tables are files of `tables/`, written by `tests/manifests/test_calendar_tables.py`. Calendars of one's own, and
overrides for a laptop, are a TOML file (`files.py`). What was decided after a table was made (a temporary holiday, a
bank that opens all the same) is handed in as `Override`s, and wins in both directions.
"""

from collections.abc import Iterable

from business_day import files, table
from business_day.dates import read as read_date
from business_day.days import Calendar
from business_day.errors import BadCalendar, CalendarError, Contradiction, NoSuchDay, NotCovered, UnknownCalendar
from business_day.files import CENTURIES, NOTHING, OwnCalendars
from business_day.policy import Policy, shift
from business_day.spans import month, quarter, week, year
from business_day.words import Closure, Override

__all__ = [
    "CENTURIES",
    "NONE",
    "BadCalendar",
    "Calendar",
    "CalendarError",
    "Closure",
    "Contradiction",
    "NoSuchDay",
    "NotCovered",
    "Override",
    "OwnCalendars",
    "Policy",
    "UnknownCalendar",
    "calendar",
    "month",
    "names",
    "quarter",
    "read_date",
    "read_own",
    "shift",
    "week",
    "year",
]

NONE = "NONE"
"""The calendar on which every day is a business day."""


def calendar(name: str, overrides: Iterable[Override] = (), own: OwnCalendars = NOTHING) -> Calendar:
    """Open a calendar, with what was decided since: by `overrides`, and by those in one's own files (`read_own`).

    Overrides of other calendars are left aside, except where it includes them. Reads its table anew each time: keep
    it. Raises UnknownCalendar, Contradiction, BadCalendar.
    """
    return _opened(name, [*own.overrides, *overrides], own)


def _opened(name: str, overrides: list[Override], own: OwnCalendars) -> Calendar:
    decided = [each for each in overrides if each.calendar == name]
    if name == NONE:
        return Calendar(NONE, "UTC", CENTURIES, {}, {}, decided)
    if name in own.calendars:
        definition = own.calendars[name]
        return definition.build(tuple(_opened(each, overrides, own) for each in definition.include), decided)
    if name not in table.names():
        raise UnknownCalendar(f"no calendar {name!r}: there are {', '.join(names(own))}")
    return table.read(name, decided)


def read_own(path: str) -> OwnCalendars:
    """Read one's own calendars and overrides: a TOML file, or a folder of them; none if empty. Raises BadCalendar."""
    return files.read(path, names()) if path else NOTHING


def names(own: OwnCalendars = NOTHING) -> list[str]:
    """List the calendars there are."""
    return sorted([NONE, *table.names(), *own.calendars])
