"""A calendar file: calendars of one's own, and overrides for a laptop, in TOML that a person writes.

    [DESK]
    include = ["BANK", "US"]          # closed when one of these is
    through = 2027-12-31              # a later day is NotCovered; `from` likewise
    # zone = "Asia/Seoul"             # needed without include; otherwise the first one's
    # weekend = ["sat", "sun"]        # the default without include

    [DESK.closed]
    2026-10-02 = "창립기념일"

    [DESK.open]
    2026-07-18 = "차세대 이행"         # open even if an included calendar is closed

    [[override]]                      # of any calendar; like `feedfall calendar declare`
    calendar = "BANK"
    day = 2026-11-27
    open = false
    reason = "임시공휴일"              # also: evidence = "관보 …", by = "kim", at = 2026-11-03T10:00:00+09:00

Every mistake is a BadCalendar that names file and key. TOML is imported only where there is such a file.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import date, datetime

from business_day.days import Calendar
from business_day.errors import BadCalendar
from business_day.words import Closure, Override, weekend

CENTURIES = date(1900, 1, 1), date(2199, 12, 31)
"""No calendar covers more."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KEYS = ("include", "zone", "from", "through", "weekend", "closed", "open")
NEEDED = (("zone", '"Asia/Seoul"'), ("from", "2026-01-01"), ("through", "2027-12-31"))
"""Keys of a calendar that includes none, each with what may be written."""
OVERRIDE_KEYS = ("calendar", "day", "open", "reason", "evidence", "by", "at")
LONGEST_NAME = 31


class Definition:
    """One calendar of a file, checked as far as it can be without those it includes."""

    __slots__ = ("closed", "first", "include", "last", "name", "opened", "weekend", "where", "zone")

    def __init__(self, where: str, name: str, table: object) -> None:
        self.where, self.name = where, name
        entry = _Entry(where, name, table, KEYS)
        self.include = entry.words("include")
        self.zone = _zone(entry)
        self.first, self.last = entry.day("from"), entry.day("through")
        self.weekend = _weekend(entry, () if self.include else WEEKDAYS[5:])
        self.closed, self.opened = dict(entry.days("closed")), dict(entry.days("open"))
        both = sorted(self.closed.keys() & self.opened.keys())
        if both:
            raise entry.wrong("open", f"{both[0]} is in closed too: leave it in one of the two")
        for key, example in () if self.include else NEEDED:
            if key not in entry:
                raise entry.wrong(key, f"is needed where nothing is included: write {key} = {example}")

    def build(self, included: tuple[Calendar, ...], overrides: list[Override]) -> Calendar:
        """Make the calendar from those it includes."""
        closures = {day: Closure("OWN", name) for day, name in self.closed.items()}
        zone = self.zone or included[0].zone
        return Calendar(
            self.name, zone, self._covers(included), self.weekend, closures, overrides, self.opened, included
        )

    def _covers(self, included: tuple[Calendar, ...]) -> tuple[date, date]:
        widest = max((each.covers[0] for each in included), default=CENTURIES[0])
        latest = min((each.covers[1] for each in included), default=CENTURIES[1])
        first, last = self.first or widest, self.last or latest
        if not widest <= first <= last <= latest:
            raise BadCalendar(
                f"{self.where}: {self.name}: from {first} through {last} must lie within {widest} to {latest}"
                f"{', what it includes covers' if included else ''}"
            )
        stray = [day for day in sorted({**self.closed, **self.opened}) if not first <= day <= last]
        if stray:
            raise BadCalendar(f"{self.where}: {self.name}: {stray[0]} lies outside {first} to {last}: take it out")
        return first, last


class OwnCalendars:
    """The content of the calendar files."""

    __slots__ = ("calendars", "overrides")

    def __init__(self, calendars: Mapping[str, Definition], overrides: tuple[Override, ...]) -> None:
        self.calendars = calendars
        self.overrides = overrides


NOTHING = OwnCalendars({}, ())


def read(path: str, taken: list[str]) -> OwnCalendars:
    """Read a file, or every *.toml of a folder. `taken`: names that are feedfall's own. Raises BadCalendar."""
    calendars: dict[str, Definition] = {}
    overrides: list[tuple[str, Override]] = []
    for file in _files(path):
        for name, table in _parsed(file).items():
            if name == "override":
                overrides += [(file, each) for each in _overrides(file, table)]
                continue
            check_name(file, name, [*taken, *calendars])
            calendars[name] = Definition(file, name, table)
    known = [*taken, *calendars]
    for definition in calendars.values():
        _check_includes(definition, calendars, known)
    for file, each in overrides:
        if each.calendar not in known:
            raise BadCalendar(f"{file}: override {each.day}: no calendar {each.calendar!r}: there are {_list(known)}")
    return OwnCalendars(calendars, tuple(each for _, each in overrides))


def _files(path: str) -> list[str]:
    if os.path.isdir(path):  # noqa: PTH112 -- pathlib would double the start
        return [os.path.join(path, file) for file in sorted(os.listdir(path)) if file.endswith(".toml")]  # noqa: PTH118, PTH208
    return [path]


def _parsed(file: str) -> dict[str, object]:
    import tomllib  # noqa: PLC0415 -- a third of a start, for those who have such a file

    try:
        with open(file, "rb") as opened:  # noqa: PTH123
            return tomllib.load(opened)
    except OSError as error:
        raise BadCalendar(f"{file}: {error.strerror}. FEEDFALL_CALENDARS names a file or a folder") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadCalendar(f"{file}: not TOML: {error}") from error


def check_name(file: str, name: str, taken: list[str]) -> None:
    """Raise BadCalendar for a name that a calendar of one's own cannot have."""
    plain = name.isascii() and name.replace("_", "A").isalnum() and name.upper() == name and name[:1].isalpha()
    if not plain or len(name) > LONGEST_NAME:
        raise BadCalendar(f"{file}: [{name}]: a name is 1 to {LONGEST_NAME} of A-Z, 0-9 and _, a letter first")
    if name in taken:
        raise BadCalendar(f'{file}: [{name}]: there is a {name} already: take another name, and include = ["{name}"]')


def _check_includes(definition: Definition, calendars: Mapping[str, Definition], known: list[str]) -> None:
    """Every name is there, and none leads back to where it started."""
    ahead, seen = list(definition.include), {definition.name}
    while ahead:
        name = ahead.pop()
        if name == definition.name:
            raise BadCalendar(f"{definition.where}: {name}.include: leads back to {name} itself: take it out")
        if name not in known:
            raise BadCalendar(f"{definition.where}: {definition.name}.include: no {name!r}: there are {_list(known)}")
        if name in calendars and name not in seen:
            ahead += calendars[name].include
        seen.add(name)


def _overrides(file: str, tables: object) -> Iterator[Override]:
    if not isinstance(tables, list):
        raise BadCalendar(f"{file}: override: write [[override]], with two brackets on each side")
    for number, table in enumerate(tables, 1):
        entry = _Entry(file, f"override {number}", table, OVERRIDE_KEYS)
        day, at = entry.day("day"), table.get("at")
        if not day:
            raise entry.wrong("day", "is needed: write day = 2026-11-27")
        if not CENTURIES[0] <= day <= CENTURIES[1]:
            raise entry.wrong("day", f"{day} is outside {CENTURIES[0]} to {CENTURIES[1]}: no calendar has that day")
        if not isinstance(table.get("open"), bool):
            raise entry.wrong("open", "is true or false")
        if at is not None and not (isinstance(at, datetime) and at.tzinfo):
            raise entry.wrong("at", "is a moment with its offset: write at = 2026-11-03T10:00:00+09:00")
        words = {key: entry.word(key, needed=key in ("calendar", "reason")) for key in OVERRIDE_KEYS if key in _TEXTS}
        yield Override(day=day, is_open=table["open"], at=at, **words)


_TEXTS = ("calendar", "reason", "evidence", "by")


def _zone(entry: "_Entry") -> str:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 -- as above

    if "zone" not in entry:
        return ""
    zone = entry.word("zone")
    try:
        ZoneInfo(zone)
    except (ValueError, LookupError, OSError):
        raise entry.wrong("zone", f"{zone!r} is no time zone: write one such as Asia/Seoul") from None
    return zone


def _weekend(entry: "_Entry", default: tuple[str, ...]) -> dict[int, Closure]:
    named = entry.words("weekend", default)
    for word in named:
        if word not in WEEKDAYS:
            raise entry.wrong("weekend", f"{word!r} is no weekday: write {_list(WEEKDAYS)}")
    return weekend(*(WEEKDAYS.index(word) for word in named))


class _Entry:
    """One table of a file: takes values out by key, and says what is wrong with them."""

    __slots__ = ("_name", "_table", "_where")

    def __init__(self, where: str, name: str, table: object, keys: tuple[str, ...]) -> None:
        self._where, self._name = where, name
        if not isinstance(table, dict):
            raise BadCalendar(f"{where}: {name}: is not a table: write [{name}] on a line of its own")
        self._table = table
        for key in table:
            if key not in keys:
                raise self.wrong(key, f"is not known: there are {_list(keys)}")

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def wrong(self, key: str, what: str) -> BadCalendar:
        return BadCalendar(f"{self._where}: {self._name}.{key}: {what}")

    def word(self, key: str, *, needed: bool = False) -> str:
        value = self._table.get(key, "")
        if not isinstance(value, str) or (needed and not value.strip()):
            raise self.wrong(key, f'is text: write {key} = "…"')
        return value.strip()

    def words(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        value = self._table.get(key, default)
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise self.wrong(key, f'is a list of names: write {key} = ["…"]')
        return tuple(value)

    def day(self, key: str) -> date | None:
        value = self._table.get(key)
        if value is None or type(value) is date:
            return value
        raise self.wrong(key, f"is a date without quotes: write {key} = 2026-12-31")

    def days(self, key: str) -> Iterator[tuple[date, str]]:
        table = self._table.get(key, {})
        if not isinstance(table, dict):
            raise self.wrong(key, f'holds a line a day: write [{self._name}.{key}], and 2026-10-02 = "why" below it')
        for day, why in table.items():
            if not isinstance(why, str) or not why.strip():
                raise self.wrong(f"{key}.{day}", f'says why: write {day} = "창립기념일"')
            yield self._date(key, day), why.strip()

    def _date(self, key: str, text: str) -> date:
        try:
            if len(text) == len("2026-10-02"):
                return date.fromisoformat(text)
        except ValueError:
            pass
        raise self.wrong(f"{key}.{text}", "is not a date: write it as 2026-10-02")


def _list(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
