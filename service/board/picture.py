"""The desk as it was read last. One thread reads it every two seconds; pages take it as it is, and never wait.

fresh ──10 s──▶ aging (amber) ──60 s──▶ stale: shown as of its time, and no verb
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from ledger import printable
from ledger.errors import Failure
from service.repeated import repeating

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from operate.desk.desk import Desk
    from service.board.sources import ReadDesk

READ_EVERY = 2.0
AGING_AFTER, STALE_AFTER = 10.0, 60.0
STUCK_AFTER = 120.0
"""Seconds: a reading that has neither ended well nor failed for so long hangs, and the process must be restarted."""


class Freshness(StrEnum):
    """How far the picture can be believed."""

    FRESH = "fresh"
    AGING = "aging"
    STALE = "stale"
    NONE = "none"
    """Nothing was ever read."""


@dataclass(frozen=True)
class Picture:
    """A desk, and how old it is now."""

    desk: Desk | None
    age: float
    failure: str = ""
    """Why the last reading failed."""

    @property
    def freshness(self) -> Freshness:
        """As its age says."""
        if self.desk is None:
            return Freshness.NONE
        if self.age > STALE_AFTER:
            return Freshness.STALE
        return Freshness.AGING if self.age > AGING_AFTER else Freshness.FRESH

    @property
    def can_act(self) -> bool:
        """Is it young enough for a verb to be chosen by it?"""
        return self.freshness in (Freshness.FRESH, Freshness.AGING)


class Current:
    """The newest desk."""

    def __init__(self, read: ReadDesk, clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._desk: Desk | None = None
        self._read_at, self._tried_at = float("-inf"), clock()
        self._failure = ""

    @property
    def picture(self) -> Picture:
        """What is known now."""
        return Picture(self._desk, self._clock() - self._read_at, self._failure)

    @property
    def stuck(self) -> bool:
        """Does the reading hang? An outage does not count: there each reading fails, and the next one starts."""
        return self._clock() - self._tried_at > STUCK_AFTER

    def refresh(self) -> None:
        """Read once. An outage is logged when it begins and when it ends; the last desk stays."""
        began, words = self._clock(), ""
        try:
            self._desk = self._read(datetime.now(UTC))
            self._read_at = began
        except Failure as error:
            words = f"{error}"
        except Exception as error:  # noqa: BLE001 -- whatever it is, the next reading must come
            words = f"an internal error (a bug in feedfall): {type(error).__name__}: {error}"
        if words != self._failure:
            text = f"the desk is not read: {words}" if words else "the desk is read again"
            print(printable.escaped(text), flush=True)  # noqa: T201 -- the pod's log
        self._failure, self._tried_at = words, self._clock()

    def follow(self) -> AbstractContextManager[None]:
        """Read now and then every two seconds, in a thread, until the block ends."""
        return repeating(self.refresh, READ_EVERY, "desk")
