"""Who may declare and withdraw: a folder with a file a holder. Its name is the holder's, its first line the token.

    a-token-of-at-least-twenty-characters
    calendars = BANK, KRX      only these calendars; without this line all of them
    past = yes                 also days before today; without this line today and later days only

A Kubernetes Secret is mounted in this form. The folder is read at each request: a token is replaced without a restart.
At start a mistake is Misconfigured. Later it is logged, and the holder's requests are refused until it is corrected.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger import printable
from ledger.errors import Misconfigured
from service.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

MIN_LENGTH = 20


@dataclass(frozen=True)
class Holder:
    """A person or program with a token, and what the token allows."""

    name: str
    calendars: frozenset[str] | None = None
    past: bool = False

    def check_calendar(self, calendar: str) -> None:
        """Raises Problem 403 for a calendar that the token does not name."""
        if self.calendars is not None and calendar not in self.calendars:
            allowed = ", ".join(sorted(self.calendars))
            raise Problem(403, "forbidden", f"the token of {self.name} is for {allowed}, not for {calendar}")

    def check_day(self, day: date, today: date) -> None:
        """Raises Problem 403 for a day before today, where the token does not allow the past."""
        if day < today and not self.past:
            words = f"the token of {self.name} is for {today} and later days, not for {day}: that needs `past = yes`"
            raise Problem(403, "forbidden", words)


class Tokens:
    """The tokens of a folder. Without a folder the service is read-only. Raises Misconfigured."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._mistake = ""
        if folder is None:
            return
        if not folder.is_dir():
            raise Misconfigured(f"FEEDFALL_CALENDAR_TOKENS is {folder}: no such folder")
        owners: dict[str, str] = {}
        for file in self._files():
            token, holder = read_file(file)
            if other := owners.setdefault(token, holder.name) != holder.name and owners[token]:
                raise Misconfigured(f"{other} and {holder.name} have the same token: give each a token of its own")

    def find_holder(self, token: str) -> Holder:
        """The holder of a token. Raises Problem 401 or 403."""
        if self._folder is None:
            raise Problem(
                403, "read-only", "this service is read-only: it was started without FEEDFALL_CALENDAR_TOKENS"
            )
        # always all of them: the time must not depend on the token
        found = [holder for held, holder in self._read() if hmac.compare_digest(held.encode(), token.encode())]
        if len(found) != 1:
            words = (
                "a token is required: send `Authorization: Bearer …` with the token that the calendar's owner gave you"
            )
            raise Problem(401, "who-are-you", words, {"WWW-Authenticate": "Bearer"})
        return found[0]

    def _read(self) -> Iterator[tuple[str, Holder]]:
        mistakes = []
        for file in self._files():
            try:
                yield read_file(file)
            except Misconfigured as error:
                mistakes.append(str(error))
        self._log("; ".join(mistakes))

    def _log(self, mistake: str) -> None:
        if mistake and mistake != self._mistake:
            print(f"TOKENS {printable.escaped(mistake)}", flush=True)  # noqa: T201 -- the pod's log
        self._mistake = mistake

    def _files(self) -> list[Path]:
        files = sorted(self._folder.iterdir()) if self._folder else []
        return [file for file in files if file.is_file() and not file.name.startswith(".")]


def read_file(file: Path) -> tuple[str, Holder]:
    """The token of a file, and its holder. Raises Misconfigured, without a word of the token."""
    try:
        token, *rules = file.read_text(encoding="utf-8").strip().splitlines() or [""]
    except UnicodeDecodeError:
        raise Misconfigured(f"the token file of {file.name} is not UTF-8: write it again as text") from None
    except OSError as error:
        raise Misconfigured(f"the token file of {file.name} cannot be read: {error.strerror}") from None
    if len(token.strip()) < MIN_LENGTH:
        raise Misconfigured(f"the token of {file.name} is shorter than {MIN_LENGTH} characters")
    return token.strip(), _holder(file.name, rules)


def _holder(name: str, rules: list[str]) -> Holder:
    calendars, past = None, False
    for number, rule in enumerate(rules, 2):
        key, _, value = (part.strip() for part in rule.partition("="))
        names = frozenset(each.strip() for each in value.split(",") if each.strip())
        if key == "calendars" and names:
            calendars = names
        elif key == "past" and value in ("yes", "no"):
            past = value == "yes"
        elif rule.strip():  # it is not repeated: it may be a token on the wrong line
            words = "write `calendars = BANK, KRX`, `past = yes` or nothing"
            raise Misconfigured(f"the token file of {name}, line {number}: {words}")
    return Holder(name, calendars, past)
