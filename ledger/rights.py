"""Which role may do what: the GRANTs that `feedfall schema` prints. No command of ours makes a role or grants a right.

    owner      migrations and DDL                            pod       what the stages do, column by column
    operator   a pod's rights, and what a person decides     service   decisions about days (the calendar service)
    reader     looks at everything, changes nothing          board     looks, and what a person decides on it

What a GRANT of columns cannot say (a run that has ended stays as it is), a trigger of migration 0007 says.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composable, Identifier, Literal

from ledger.database import NEEDED
from ledger.statements import with_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from catalog import Feed


@dataclass(frozen=True)
class Roles:
    """The roles' names in one database. Two duties may share one role, as in a bank with a single login."""

    pod: str = "feedfall_pod"
    operator: str = "feedfall_operator"
    reader: str = "feedfall_reader"
    service: str = "feedfall_service"
    owner: str = "feedfall_owner"
    board: str = "feedfall_board"

    def names(self) -> list[str]:
        return list(dict.fromkeys(getattr(self, each.name) for each in fields(self)))


def missing(roles: Roles) -> Iterator[str]:
    """Make the roles that are not there yet, without a login."""
    for name in roles.names():
        yield _text("role", name)


def grants(feeds: Sequence[Feed], roles: Roles) -> Iterator[str]:
    """Every right of every role but the owner's; applied again it takes back what an earlier version gave."""
    for name in roles.names():
        if name != roles.owner:
            yield _text("nothing", name)
    yield pod(feeds, roles.pod)
    yield pod(feeds, roles.operator)
    yield operator(roles)
    yield reader(feeds, roles.reader)
    yield service(roles.service)
    yield board(feeds, roles.board)


def pooler(roles: Roles) -> Iterator[str]:
    """What each session asks for at its start, as settings of its role: a pooler in transaction mode drops the rest."""
    for name in roles.names():
        for setting, value in NEEDED.items():
            yield _text("setting", name, setting=Identifier(setting), value=Literal(value))


def owner(role: str) -> str:
    """What migrations need of the database."""
    return _text("owner", role)


def pod(feeds: Iterable[Feed], role: str) -> str:
    """What the stages need."""
    return _text("pod", role) + _tables("pod_tables", feeds, role)


def operator(roles: Roles) -> str:
    """What a person's commands need beside a pod's rights."""
    member = "" if roles.operator == roles.pod else _text("member", roles.operator, pod=Identifier(roles.pod))
    return _text("operator", roles.operator) + member


def reader(feeds: Iterable[Feed], role: str) -> str:
    """What looking needs."""
    return _text("reader", role) + _tables("reader_tables", feeds, role)


def service(role: str) -> str:
    """What the calendar service needs."""
    return _text("service", role)


def board(feeds: Iterable[Feed], role: str) -> str:
    """What the board needs."""
    return reader(feeds, role) + _text("board", role)


def _tables(statement: str, feeds: Iterable[Feed], role: str) -> str:
    names = [Identifier(feed.table) for feed in feeds]
    return _text(statement, role, tables=SQL(", ").join(names)) if names else ""


def _text(statement: str, role: str, **more: Composable) -> str:
    quoted = Identifier(role)
    names = {"role": quoted, "plain": Literal(role), "text": Literal(quoted.as_string(None)), **more}
    return with_names(f"rights.{statement}", **names).as_string(None) + "\n\n"
