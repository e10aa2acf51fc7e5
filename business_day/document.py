"""A calendar as a JSON document, whole, and back: so that another process answers by itself, with the same version.

    {"calendar": "BANK", "version": "BANK@3f9c21d0", "zone": "Asia/Seoul", "covers": ["2018-01-01", "2028-12-31"],
     "weekend": {"5": ["WEEKEND", "토요일", "Saturday"], …}, "closures": {"2018-01-01": ["PUBLIC", "신정연휴", …], …},
     "opened": {}, "overrides": [{"day": "2026-12-24", "is_open": false, "reason": …}], "included": []}

`loads(dumps(calendar))` is the same calendar: what is read is refused when its version is not the one that it names.
"""

import json
from datetime import date, datetime
from typing import TYPE_CHECKING

from business_day.days import Calendar
from business_day.errors import BadCalendar
from business_day.words import Closure, Override

if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]


def dumps(calendar: Calendar) -> str:
    """Write a calendar. The same calendar, the same text."""
    return json.dumps(_document(calendar), ensure_ascii=False, separators=(",", ":"))


def loads(text: str | bytes) -> Calendar:
    """Read a calendar. BadCalendar where it is not one, or not the one that it says."""
    try:
        document = json.loads(text)
        calendar = _calendar(document)
        told = document["version"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadCalendar(f"not a calendar's document: {type(error).__name__}: {error}") from error
    if calendar.version != told:
        raise BadCalendar(
            f"the document says {told} and holds {calendar.version}: it was changed, or is of another release"
        )
    return calendar


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
    return Calendar(
        name,
        document["zone"],
        (first, last),
        {int(weekday): Closure(*words) for weekday, words in document["weekend"].items()},
        {date.fromisoformat(day): Closure(*words) for day, words in document["closures"].items()},
        [_override(name, each) for each in document["overrides"]],
        {date.fromisoformat(day): told for day, told in document["opened"].items()},
        tuple(map(_calendar, document["included"])),
    )


def _override(calendar: str, told: "Document") -> Override:
    return Override(
        calendar,
        date.fromisoformat(told["day"]),
        is_open=bool(told["is_open"]),
        reason=told["reason"],
        evidence=told["evidence"],
        by=told["by"],
        at=datetime.fromisoformat(told["at"]) if told["at"] else None,
    )
