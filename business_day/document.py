"""A calendar as a JSON document, whole, and back: so that another process answers by itself, as this one would.

    {"calendar": "BANK", "version": "BANK@3f9c21d0", "zone": "Asia/Seoul", "covers": ["2018-01-01", "2028-12-31"],
     "weekend": {"5": ["WEEKEND", "토요일", "Saturday"], …}, "closures": {"2018-01-01": ["PUBLIC", "신정연휴", …], …},
     "opened": {}, "overrides": [{"day": "2026-12-24", "is_open": false, "reason": …}], "included": [], "digest": …}

`loads(dumps(calendar))` answers as the calendar does, and has its version, whichever release reads it. What was changed
on its way is refused by its digest.
"""

import json
from datetime import date, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from business_day.days import Calendar
from business_day.errors import BadCalendar
from business_day.files import CENTURIES
from business_day.words import Closure, Override

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Document = dict[str, Any]


def dumps(calendar: Calendar) -> str:
    """Write a calendar. The same calendar, the same text."""
    document = _document(calendar)
    return _text({**document, "digest": _digest(document)})


def loads(text: str | bytes) -> Calendar:
    """Read a calendar. BadCalendar where it is none, or was changed."""
    try:
        document = json.loads(text)
        digest = document.pop("digest")
        calendar = _calendar(document)
        own_digest = _digest(document)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BadCalendar(f"not a calendar's document: {type(error).__name__}: {error}") from error
    if digest != own_digest:
        raise BadCalendar(f"the document of {calendar.version} was changed: its digest is another")
    return calendar


def _text(document: "Document") -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _digest(document: "Document") -> str:
    return sha256(_text(document).encode()).hexdigest()


def _document(calendar: Calendar) -> "Document":
    return {
        "calendar": calendar.name,
        "version": calendar.version,
        "zone": calendar.zone,
        "covers": [day.isoformat() for day in calendar.covers],
        "weekend": {str(weekday): _words(closure) for weekday, closure in calendar._weekend.items()},
        "closures": {day.isoformat(): _words(closure) for day, closure in calendar._closures.items()},
        "opened": {day.isoformat(): name for day, name in calendar._opened.items()},
        "overrides": [_decision(each) for each in calendar._overrides.values()],
        "included": [_document(each) for each in calendar._included],
    }


def _words(closure: Closure) -> list[str]:
    return [closure.kind, closure.name, closure.english]


def _decision(override: Override) -> "Document":
    return {
        "day": override.day.isoformat(),
        "is_open": override.is_open,
        "reason": override.reason,
        "evidence": override.evidence,
        "by": override.by,
        "at": override.at.isoformat() if override.at else None,
    }


def _calendar(document: "Document") -> Calendar:
    name, (first, last) = str(document["calendar"]), map(date.fromisoformat, document["covers"])
    if not CENTURIES[0] <= first <= last <= CENTURIES[1]:
        raise ValueError(f"{name} cannot cover {first} to {last}")
    (zone,) = _texts([document["zone"]])
    calendar = Calendar(
        name,
        zone,
        (first, last),
        {int(weekday): Closure(*_texts(words)) for weekday, words in document["weekend"].items()},
        {date.fromisoformat(day): Closure(*_texts(words)) for day, words in document["closures"].items()},
        [_override(name, each) for each in document["overrides"]],
        dict(zip(map(date.fromisoformat, document["opened"]), _texts(document["opened"].values()), strict=True)),
        tuple(map(_calendar, document["included"])),
    )
    calendar._version = str(document["version"])  # as its home says: another release may count it in another way
    return calendar


def _texts(values: "Iterable[Any]") -> "list[str]":
    """The values, which are text. Raises TypeError."""
    texts = list(values)
    if not all(isinstance(each, str) for each in texts):
        raise TypeError("text was expected")
    return texts


def _override(calendar: str, fields: "Document") -> Override:
    reason, evidence, by = _texts(fields[name] for name in ("reason", "evidence", "by"))
    return Override(
        calendar,
        date.fromisoformat(fields["day"]),
        is_open=bool(fields["is_open"]),
        reason=reason,
        evidence=evidence,
        by=by,
        at=datetime.fromisoformat(fields["at"]) if fields["at"] else None,
    )
