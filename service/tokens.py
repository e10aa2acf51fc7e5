"""Who may declare and withdraw: a folder with one file a holder. The file's name is the holder, its text the token.

A Kubernetes Secret is mounted in this form. The folder is read at each request: a token is replaced without a restart.
"""

from __future__ import annotations

import hmac
from pathlib import Path

from ledger.errors import Misconfigured
from service.problem import Problem

MIN_LENGTH = 20


class Tokens:
    """The tokens of a folder. Without a folder the service is read-only."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        if folder is None:
            return
        if not folder.is_dir():
            raise Misconfigured(f"FEEDFALL_CALENDAR_TOKENS is {folder}: no such folder")
        if short := [name for name, held in self._read_tokens().items() if len(held) < MIN_LENGTH]:
            raise Misconfigured(f"the tokens of {', '.join(short)} are shorter than {MIN_LENGTH} characters")

    def find_holder(self, token: str) -> str:
        """The holder of a token. Raises Problem 401 or 403."""
        if self._folder is None:
            raise Problem(
                403, "read-only", "this service is read-only: it was started without FEEDFALL_CALENDAR_TOKENS"
            )
        found = ""
        for name, held in self._read_tokens().items():  # always all of them: the time must not depend on the token
            if hmac.compare_digest(held.encode(), token.encode()) and len(held) >= MIN_LENGTH:
                found = name
        if not found:
            words = (
                "a token is required: send `Authorization: Bearer …` with the token that the calendar's owner gave you"
            )
            raise Problem(401, "who-are-you", words, {"WWW-Authenticate": "Bearer"})
        return found

    def _read_tokens(self) -> dict[str, str]:
        files = sorted(self._folder.iterdir()) if self._folder else []
        return {
            file.name: file.read_text(encoding="utf-8").strip()
            for file in files
            if file.is_file() and not file.name.startswith(".")
        }
