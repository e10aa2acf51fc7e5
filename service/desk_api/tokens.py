"""Who may use the desk: a folder with a file a holder. Its name is the holder's, its first line the token.

a-token-of-at-least-twenty-characters
role = operator            viewer, operator or approver; without this line viewer
expires = 2027-06-30       the last day on which it serves, in Seoul; without this line it serves until it is removed
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ledger import printable
from ledger.errors import Misconfigured
from operate.act import Role
from service.problem import Problem
from service.token_folder import TokenFolder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETTING = "FEEDFALL_DESK_TOKENS"
SEOUL = ZoneInfo("Asia/Seoul")


def today() -> date:
    return datetime.now(UTC).astimezone(SEOUL).date()


@dataclass(frozen=True)
class DeskHolder:
    """A person or program with a token, and what the token allows."""

    name: str
    role: Role = Role.VIEWER
    expires: date | None = None

    def check_may(self, verb: str, needed: Role) -> None:
        """Raises Problem 403 for a verb that needs more."""
        order = list(Role)
        if order.index(self.role) < order.index(needed):
            raise Problem(
                403, "forbidden", f"{verb} needs the role {needed}: the token of {self.name} is a {self.role}'s"
            )


class DeskTokens(TokenFolder[DeskHolder]):
    """The tokens of a folder. Raises Misconfigured."""

    def __init__(self, folder: Path, now: Callable[[], date] = today) -> None:
        super().__init__(folder, SETTING, holder_of)
        self._today = now

    def holder(self, token: str) -> DeskHolder:
        """The holder of a token that serves today. Raises Problem 401."""
        found = self.find(token, "the platform team")
        if found.expires and found.expires < self._today():
            words = f"the token of {found.name} served until {found.expires}: ask the platform team for another one"
            raise Problem(401, "expired", words, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return found


def holder_of(name: str, rules: list[str]) -> DeskHolder:
    """The holder that a file describes. Raises Misconfigured."""
    printable.check(**{f"the name of the token file {name!r}": name})
    given: dict[str, str] = {}
    for number, rule in enumerate(rules, 2):
        key, equals, value = (part.strip() for part in rule.partition("="))
        good = (key == "role" and value in list(Role)) or (key == "expires" and _day(value))
        if rule.strip() and not (equals and good and key not in given):  # it is not repeated: it may be a token
            words = f"write `role = {'|'.join(Role)}` or `expires = 2027-06-30`, each once"
            raise Misconfigured(f"the token file of {name}, line {number}: {words}")
        given[key] = value
    return DeskHolder(name, Role(given.get("role", Role.VIEWER)), _day(given.get("expires", "")))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
