"""Signing in on one's own machine: a token that is printed, works once, and becomes a cookie.

Each token opens one session, and the next token is printed then. A session ends after twelve hours; the oldest one
ends when there are too many. Only for a board on a loopback address: whoever can read this terminal may act.
"""

from __future__ import annotations

import hmac
import secrets
import time
from hashlib import sha256
from typing import TYPE_CHECKING

from operate.act import Role
from service.board.people import Person

if TYPE_CHECKING:
    from collections.abc import Callable

COOKIE = "feedfall_board"
LASTS = 12 * 3600.0
MOST = 20


class LocalSessions:
    """The sessions of one process. `announce` is given each new one-time token."""

    def __init__(self, name: str, announce: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._announce, self._clock = name, announce, clock
        self._sessions: dict[str, float] = {}
        self._token = ""
        self._renew()

    def open(self, token: str) -> str | None:
        """A new session's cookie for the one-time token, which is used up; None for any other token."""
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return None
        self._renew()
        while len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]
        value = secrets.token_urlsafe(32)
        self._sessions[digest(value)] = self._clock() + LASTS
        return value

    def person(self, cookie: str) -> Person | None:
        """Who has this session; None: it does not exist, or has ended."""
        key = digest(cookie)
        if self._sessions.get(key, float("-inf")) < self._clock():
            self._sessions.pop(key, None)
            return None
        return Person(self._name, frozenset(Role), key)

    def close(self, cookie: str) -> None:
        """End a session."""
        self._sessions.pop(digest(cookie), None)

    def _renew(self) -> None:
        self._token = secrets.token_urlsafe(24)
        self._announce(self._token)


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
