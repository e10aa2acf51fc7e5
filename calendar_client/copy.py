"""The last good copy of a calendar: where it is stored, how old it is, and the Calendar in it. Standard library only.

Read by `sub` in every pod, so this file never imports httpx.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from business_day import BadCalendar, document

if TYPE_CHECKING:
    from pathlib import Path

    from business_day import Calendar

HOUR = 3600.0


class Unavailable(Exception):  # noqa: N818 -- a state of the calendar
    """The calendar is not known: there is no copy, or it is too old. The text says which."""


@dataclass(frozen=True)
class Copy:
    """The document of one calendar, confirmed by the service `age` seconds ago."""

    etag: str
    document: str
    age: float


class Copies(Protocol):
    """Where copies are stored: pods store them in their database, other programs in a `Folder`."""

    def read(self, name: str) -> Copy | None:
        """The copy of a calendar, if there is one."""

    def save(self, name: str, etag: str, document: str) -> None:
        """Store a document that the service has just confirmed."""


class Folder:
    """Copies as files, one a calendar. A file is replaced as a whole, so a reader never sees half of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> Copy | None:
        try:
            stored = json.loads(self._file(name).read_text(encoding="utf-8"))
            return Copy(stored["etag"], stored["document"], max(time.time() - stored["confirmed_at"], 0.0))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # no copy, or one that cannot be read

    def save(self, name: str, etag: str, document: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        new = self._file(name).with_suffix(f".{os.getpid()}")
        stored = {"etag": etag, "confirmed_at": time.time(), "document": document}
        new.write_text(json.dumps(stored), encoding="utf-8")
        new.replace(self._file(name))

    def _file(self, name: str) -> Path:
        return self._folder / f"{quote(name, safe='')}.json"


def open_copy(name: str, copy: Copy | None, max_age: float) -> Calendar:
    """The calendar in a copy that is at most `max_age` seconds old. Raises Unavailable."""
    if copy is None:
        raise Unavailable(f"there is no copy of calendar {name} yet")
    if copy.age > max_age:
        raise Unavailable(
            f"the copy of calendar {name} is {copy.age / HOUR:.1f} hours old, and {max_age / HOUR:g} are allowed"
        )
    try:
        return document.loads(copy.document)
    except BadCalendar as error:
        raise Unavailable(f"the copy of calendar {name} cannot be read: {error}") from error


def known_etag(copy: Copy | None) -> str | None:
    """The ETag for the next request: that of a readable copy. None makes the service send the document again."""
    try:
        return copy.etag if copy and document.loads(copy.document) else None
    except BadCalendar:
        return None
