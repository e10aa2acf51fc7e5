"""Who may declare and withdraw: a folder with a file a holder. Its name is the holder's, its first line the token.

    a-token-of-at-least-twenty-characters
    calendars = BANK, KRX      only these calendars; without this line all of them
    past = yes                 also days before today; without this line today and later days only

A Kubernetes Secret is mounted in this form. The folder is read at each request: a token is replaced without a restart.
At start a mistake is Misconfigured. Later it is logged, and the holder's requests are refused until it is corrected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import Misconfigured
from service.problem import Problem
from service.token_folder import TokenFolder

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path


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


class Tokens(TokenFolder[Holder]):
    """The tokens of a folder. Without a folder the service is read-only. Raises Misconfigured."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder, "FEEDFALL_CALENDAR_TOKENS", _holder)

    def find_holder(self, token: str) -> Holder:
        """The holder of a token. Raises Problem 401 or 403."""
        if self.folder is None:
            raise Problem(
                403, "read-only", "this service is read-only: it was started without FEEDFALL_CALENDAR_TOKENS"
            )
        return self.find(token, "the calendar's owner")


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
