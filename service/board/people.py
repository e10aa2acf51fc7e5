"""Who uses the board, and what each role may do.

viewer     sees everything, changes nothing
operator   also the verbs
approver   also decides about what another person asked for
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger import printable
from ledger.errors import Misconfigured
from operate.act import Role
from service.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST_NAME = 100
VARIABLES = {
    Role.VIEWER: "FEEDFALL_BOARD_VIEWERS",
    Role.OPERATOR: "FEEDFALL_BOARD_OPERATORS",
    Role.APPROVER: "FEEDFALL_BOARD_APPROVERS",
}


def needed(verb: str) -> Role:
    """The role of a verb."""
    return Role.APPROVER if verb in ("approve", "reject") else Role.OPERATOR


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in. `session` ties a form to this sign-in; it is no secret of its own."""

    name: str
    roles: frozenset[Role]
    session: str

    @property
    def role(self) -> Role:
        """The highest one."""
        return max(self.roles, key=list(Role).index)

    def may(self, verb: str) -> bool:
        """May this person do the verb?"""
        return needed(verb) in self.roles

    def check_may(self, verb: str) -> None:
        """Raises Problem 403."""
        if not self.may(verb):
            raise Problem(403, "forbidden", f"{verb} needs the role {needed(verb)}: {self.name} has {self.role}")


class Groups:
    """Which groups of the sign-in give which role."""

    def __init__(self, of: Mapping[Role, frozenset[str]]) -> None:
        self._of = of

    def roles(self, groups: Iterable[str]) -> frozenset[Role]:
        """The roles of somebody in these groups. An operator may also look, an approver too."""
        held = set(groups)
        found = {role for role, wanted in self._of.items() if wanted & held}
        return frozenset(found | {Role.VIEWER} if found else ())


def read_groups(environ: Mapping[str, str]) -> Groups:
    """FEEDFALL_BOARD_VIEWERS, _OPERATORS and _APPROVERS: groups, with commas between. Raises Misconfigured."""
    of = {
        role: frozenset(filter(None, (each.strip() for each in environ.get(name, "").split(","))))
        for role, name in VARIABLES.items()
    }
    if not any(of.values()):
        names = ", ".join(VARIABLES.values())
        raise Misconfigured(f"no group may use the board: name your groups in {names}")
    return Groups(of)


def check_name(name: object) -> str:
    """A name for the journal. Raises Problem 401."""
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        raise Problem(401, "who-are-you", f"the sign-in gives no name of 1 to {LONGEST_NAME} characters")
    try:
        printable.check(name=name)
    except printable.Unprintable as error:
        raise Problem(401, "who-are-you", str(error)) from None
    return name.strip()
