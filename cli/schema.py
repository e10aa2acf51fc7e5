"""The database's side: print the schema for a DBA, or apply it where that is allowed."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from catalog import Feed, find
from cli import show
from ledger import databases, schema
from ledger.database import connect
from steps.run import settings

Role = Annotated[str, typer.Option(help="The role that pods log in as.")]
CalendarRole = Annotated[
    str | None, typer.Option(help="The role that the calendar service logs in as, where it runs on this database.")
]
Named = Annotated[list[str] | None, typer.Argument(help="Feeds; all of them if absent.", metavar="[FEED]...")]
Database = Annotated[str, typer.Option(envvar=databases.VARIABLE, help="Where, as a role that may create tables.")]


def print_schema(names: Named = None, role: Role = "feedfall_pod", calendar_role: CalendarRole = None) -> None:
    """Print the SQL of the ledger and of the feeds' tables, with the rights that a pod's role needs."""
    for part in schema.script(_feeds(names), role, calendar_role=calendar_role):
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
