"""Who may declare and withdraw: a folder with a file a holder, its name the holder's, its text the token.

So a Kubernetes Secret is mounted, key by key. Read at each request: a token is replaced without a restart.
"""

from __future__ import annotations

import hmac
from pathlib import Path

from ledger.errors import Misconfigured
from service.problem import Problem

SHORTEST = 20


class Tokens:
    """The tokens there are. Without a folder the service is read-only."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        if folder is None:
            return
        if not folder.is_dir():
            raise Misconfigured(f"FEEDFALL_CALENDAR_TOKENS is {folder}: no such folder")
        if short := [name for name, token in self._held().items() if len(token) < SHORTEST]:
            raise Misconfigured(f"the tokens of {', '.join(short)} are shorter than {SHORTEST} characters")

    def holder(self, given: str) -> str:
        """Whose token this is. Raises Problem 401 or 403."""
        if self._folder is None:
            raise Problem(403, "read-only", "this service takes no declarations: it was started without tokens")
        found = ""
        for name, token in self._held().items():  # all of them, always: the time it takes tells nothing
            if hmac.compare_digest(token.encode(), given.encode()) and len(token) >= SHORTEST:
                found = name
        if not found:
            words = "declaring needs a token: send `Authorization: Bearer …`, as the calendar's owner gave it to you"
            raise Problem(401, "who-are-you", words, {"WWW-Authenticate": "Bearer"})
        return found

    def _held(self) -> dict[str, str]:
        files = sorted(self._folder.iterdir()) if self._folder else []
        return {
            file.name: file.read_text(encoding="utf-8").strip()
            for file in files
            if file.is_file() and not file.name.startswith(".")
        }
