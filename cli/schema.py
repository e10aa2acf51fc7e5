"""The database's side: print the schema for a DBA, or apply it where that is allowed."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from catalog import Feed, find
from cli import show
from ledger import databases, schema
from ledger.database import connect
from ledger.rights import Roles
from steps.run import settings

PodRole = Annotated[str, typer.Option("--role", help="The role of pods.")]
OperatorRole = Annotated[str, typer.Option(help="The role of people who hold, free, redrive and skip.")]
ReaderRole = Annotated[str, typer.Option(help="The role of CI that waits, of dashboards, of people who look.")]
ServiceRole = Annotated[
    str, typer.Option("--service-role", "--calendar-role", help="The role of the calendar service.")
]
OwnerRole = Annotated[str, typer.Option(help="The role that owns the tables and runs `feedfall migrate`.")]
RightsOnly = Annotated[bool, typer.Option("--rights", help="Only the roles and their rights: after an upgrade.")]
Named = Annotated[list[str] | None, typer.Argument(help="Feeds; all of them if absent.", metavar="[FEED]...")]
Database = Annotated[str, typer.Option(envvar=databases.VARIABLE, help="Where, as a role that may create tables.")]

DEFAULT = Roles()


def print_schema(
    names: Named = None,
    *,
    pod: PodRole = DEFAULT.pod,
    operator_role: OperatorRole = DEFAULT.operator,
    reader_role: ReaderRole = DEFAULT.reader,
    service_role: ServiceRole = DEFAULT.service,
    owner_role: OwnerRole = DEFAULT.owner,
    rights_only: RightsOnly = False,
) -> None:
    """Print the SQL of the ledger and of the feeds' tables, with a role for each duty and its rights."""
    roles = Roles(pod, operator_role, reader_role, service_role, owner_role)
    script = schema.rights_only if rights_only else schema.script
    for part in script(_feeds(names), roles):
        show.say(part)


def migrate(database: Database, names: Named = None) -> None:
    """Create or extend the tables: one transaction, one migration at a time, short locks only."""
    connection = connect(database, "feedfall migrate")
    try:
        applied = schema.migrate(connection, _feeds(names))
    finally:
        connection.close()
    show.say("\n".join(f"applied {name}" for name in applied) or "Everything is there already.")


def _feeds(names: list[str] | None) -> list[Feed]:
    packages = settings.packages(os.environ)
    return [find.load(name, packages) for name in names] if names else find.every(packages)
