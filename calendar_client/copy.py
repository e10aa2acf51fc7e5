"""The last good copy of a calendar: where it lies, how old it is, and the Calendar in it. The standard library only.

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


class Unavailable(Exception):  # noqa: N818 -- reads as what it says
    """Nobody can say what the calendar is: no copy, or one that is too old. The text says which."""


@dataclass(frozen=True)
class Copy:
    """What the service said of one calendar, `age` seconds ago."""

    etag: str
    document: str
    age: float


class Copies(Protocol):
    """Where copies lie. A domain's pods keep them in their database, other programs in a `Folder`."""

    def read(self, name: str) -> Copy | None:
        """The copy of a calendar, if there is one."""

    def keep(self, name: str, etag: str, document: str) -> None:
        """The service says that this holds now."""


class Folder:
    """Copies as files, one a calendar; replaced whole, so a reader never sees half of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> Copy | None:
        try:
            kept = json.loads(self._file(name).read_text(encoding="utf-8"))
            return Copy(kept["etag"], kept["document"], max(time.time() - kept["confirmed_at"], 0.0))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # no copy, or none that can be read: as good as none

    def keep(self, name: str, etag: str, document: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        new = self._file(name).with_suffix(f".{os.getpid()}")
        kept = {"etag": etag, "confirmed_at": time.time(), "document": document}
        new.write_text(json.dumps(kept), encoding="utf-8")
        new.replace(self._file(name))

    def _file(self, name: str) -> Path:
        return self._folder / f"{quote(name, safe='')}.json"


def opened(name: str, copy: Copy | None, max_age: float) -> Calendar:
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


def etag(copy: Copy | None) -> str | None:
    """What to ask with: the ETag of a copy that can be read. One that cannot must be sent whole again."""
    try:
        return copy.etag if copy and document.loads(copy.document) else None
    except BadCalendar:
        return None
