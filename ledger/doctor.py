"""What `feedfall doctor` asks the database: who this session is, which rights it lacks, and what time it is there.

The rights are read from `rights.sql`, the GRANTs that `feedfall schema` prints: they stand there alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger import rights
from ledger.database import one, rows
from ledger.errors import Misconfigured, translated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from catalog import Feed
    from ledger.database import Connection

GRANT = re.compile(r"GRANT ([A-Z][^;]*?) ON (?!DATABASE|SCHEMA|ALL)([^;]*?) TO ")
RIGHT = re.compile(r"(SELECT|INSERT|UPDATE)(?: \(([^)]*)\))?")
DUTIES = ("pod", "operator", "reader", "service")


@dataclass(frozen=True)
class Right:
    """`name`: a column; empty for the whole table."""

    privilege: str
    place: str
    name: str = ""


@dataclass(frozen=True)
class Role:
    """Who a session is. `superuser`, `owner`: it may do more than any duty needs."""

    name: str
    superuser: bool
    owner: bool
    temporary: bool
    server: str


def rights_of(duty: str, feeds: Sequence[Feed]) -> list[Right]:
    """Every right that this duty needs."""
    text = {
        "pod": lambda: rights.pod(feeds, duty),
        "operator": lambda: rights.pod(feeds, duty) + rights.operator(rights.Roles(pod=duty, operator=duty)),
        "reader": lambda: rights.pod(feeds, duty),
        "service": lambda: rights.service(duty),
    }[duty]()
    found = [
        Right(privilege, place.strip(), name.strip().strip('"'))
        for privileges, places in GRANT.findall(text)
        for privilege, names in RIGHT.findall(privileges)
        for place in places.split(",")
        for name in names.split(",")
    ]
    return [each for each in found if duty != "reader" or each.privilege == "SELECT"]


def role(connection: Connection) -> Role:
    """Who this session is."""
    with translated():
        return Role(*one(connection, "doctor.role"))


def missing_rights(connection: Connection, duty: str, feeds: Sequence[Feed]) -> list[Right]:
    """What this session may not do of what the duty needs. A feed's table that does not exist is no missing right."""
    wanted = rights_of(duty, feeds)
    with translated():
        if not one(connection, "schema.exists")[0]:
            raise Misconfigured("there are no tables to have rights on: run `feedfall migrate` first")
        found = rows(
            connection,
            "doctor.missing",
            privileges=[each.privilege for each in wanted],
            places=[each.place for each in wanted],
            names=[each.name for each in wanted],
        )
    return [Right(*each) for each in found]


def clock(connection: Connection) -> datetime:
    """What time it is at the database."""
    with translated():
        return one(connection, "doctor.clock")[0]  # type: ignore[no-any-return] # a timestamptz
