"""The desk's words, in two languages: computed when they are shown, never stored.

    Why(code, parameters) ──sentence──▶ "29행 도착: 2026-11-25 00:12 KST."     one table a language, keyed by code

A value never decides about the words around it: no Korean particle follows one. What a partner or a person wrote is
escaped: it can neither break a line nor turn it around.
"""

from __future__ import annotations

import os
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ledger import printable
from ledger.errors import Misconfigured
from operate.desk.words import en, ko

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from operate.desk.desk import Why


class Table(Protocol):
    """One language: a module of this folder."""

    NOTHING: str
    UNITS: dict[str, str]
    LATE: str
    SENTENCES: dict[str, str]
    STATES: dict[str, str]
    BANDS: dict[str, str]
    VERBS: dict[str, str]
    HEADINGS: dict[str, str]
    COLUMNS: dict[str, str]


LANGUAGES: dict[str, Table] = {"ko": ko, "en": en}
SEOUL = "Asia/Seoul"
#: Parameters of this name are a length of time.
LENGTH = "_minutes"


def sentence(why: Why, language: str, zone: tzinfo) -> str:
    """The sentence of a reason, its times in that zone. What is late begins with how late. KeyError: no such code."""
    words = LANGUAGES[language]
    shown = {name: shown_as(name, value, language, zone) for name, value in why.parameters.items()}
    late = f"{words.LATE.format_map(shown)} " if "late_minutes" in shown else ""
    return (late + words.SENTENCES[why.code].format_map(shown)).rstrip()


def shown_as(name: str, value: object, language: str, zone: tzinfo) -> str:
    """One value, as people read it."""
    words = LANGUAGES[language]
    match value:
        case None:
            return words.NOTHING
        case datetime():
            return clock(value, zone)
        case date():
            return value.isoformat()
        case int() | float() if name.endswith(LENGTH):
            return length(int(value), words.UNITS)
        case int() if name not in ("exit_code", "pid"):
            return f"{value:,}"
    return printable.escaped(str(value))


def clock(moment: datetime, zone: tzinfo) -> str:
    """`2026-11-25 01:00 KST`."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def length(minutes: int, units: Mapping[str, str]) -> str:
    """`27 min`, `3 h 10 min`, `2 d 4 h`: two units at most."""
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    first = next((place for place, (count, _) in enumerate(parts) if count), 2)
    return " ".join(f"{count}{units[unit]}" for count, unit in parts[first : first + 2] if count or first == 2)  # noqa: PLR2004 -- minutes alone


def desk_zone(environ: Mapping[str, str] = os.environ) -> ZoneInfo:
    """The zone of the people at the desk: FEEDFALL_ZONE, or Seoul. Raises Misconfigured."""
    name = environ.get("FEEDFALL_ZONE") or SEOUL
    try:
        return ZoneInfo(name)
    except (ValueError, ZoneInfoNotFoundError, OSError) as error:
        raise Misconfigured(f"FEEDFALL_ZONE is {name!r}: write a time zone such as {SEOUL}") from error


def state_word(state: str, language: str) -> str:
    """`미도착`, `absent`."""
    return LANGUAGES[language].STATES[state]


def band_word(band: str, language: str) -> str:
    """`조치 필요`, `A person must act`."""
    return LANGUAGES[language].BANDS[band]


def verb_word(verb: str, language: str) -> str:
    """`재수행`, `rerun`."""
    return LANGUAGES[language].VERBS[verb]


def heading(name: str, language: str) -> str:
    """`보류`, `Holds`: a part of the handover."""
    return LANGUAGES[language].HEADINGS[name]


def columns(names: Sequence[str], language: str) -> list[str]:
    """The heads of a table's columns."""
    return [LANGUAGES[language].COLUMNS[name] for name in names]
