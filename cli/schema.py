"""The database's side: print the schema for a DBA, or apply it where that is allowed."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from catalog import Feed
from cli import show
from cli.options import OneDatabase, load_feeds
from ledger import databases, schema
from ledger.database import connect
from ledger.errors import Misconfigured
from ledger.rights import Roles

PodRole = Annotated[str, typer.Option("--role", help="The role of pods.")]
OperatorRole = Annotated[str, typer.Option(help="The role of people who hold, free, redrive and skip.")]
ReaderRole = Annotated[str, typer.Option(help="The role of CI that waits, of dashboards, of people who look.")]
ServiceRole = Annotated[
    str, typer.Option("--service-role", "--calendar-role", help="The role of the calendar service.")
]
BoardRole = Annotated[str, typer.Option(help="The role of the board.")]
OwnerRole = Annotated[str, typer.Option(help="The role that owns the tables and runs `feedfall migrate`.")]
RightsOnly = Annotated[bool, typer.Option("--rights", help="Only the roles and their rights: after an upgrade.")]
Pooler = Annotated[bool, typer.Option("--pooler", help="With --rights: what roles need behind PgBouncer.")]
Named = Annotated[list[str] | None, typer.Argument(help="Feeds; all of them if absent.", metavar="[FEED]...")]

DEFAULT = Roles()


def print_schema(
    names: Named = None,
    *,
    pod: PodRole = DEFAULT.pod,
    operator_role: OperatorRole = DEFAULT.operator,
    reader_role: ReaderRole = DEFAULT.reader,
    service_role: ServiceRole = DEFAULT.service,
    owner_role: OwnerRole = DEFAULT.owner,
    board_role: BoardRole = DEFAULT.board,
    rights_only: RightsOnly = False,
    pooler: Pooler = False,
    database: OneDatabase = None,
) -> None:
    """Print the SQL of the ledger and of the feeds' tables, with a role for each duty and its rights."""
    roles = Roles(pod, operator_role, reader_role, service_role, owner_role, board_role)
    if pooler and not rights_only:
        raise Misconfigured("--pooler is for the roles' settings: write --rights --pooler")
    script = schema.for_pooler if pooler else schema.rights_only if rights_only else schema.script
    feeds = _by_database(names, database)
    if len(feeds) > 1:
        raise Misconfigured(f"these feeds are in {len(feeds)} databases: choose one, --database {' or '.join(feeds)}")
    for its in feeds.values():
        for part in script(its, roles):
            show.say(part)


def migrate(names: Named = None, *, database: OneDatabase = None) -> None:
    """Create or extend the tables of each database: one transaction each, one migration at a time, short locks only.

    As the owner of the tables: DATABASE_URL, and DATABASE_URL_<NAME> of the databases that feeds name.
    """
    feeds = _by_database(names, database)
    addresses = {each: databases.url(os.environ, "The tables are there", database=each) for each in feeds}
    for each, its in feeds.items():
        connection = connect(addresses[each], "feedfall migrate")
        try:
            applied = schema.migrate(connection, its)
        finally:
            connection.close()
        where = f"{databases.variable(each)}: " if len(feeds) > 1 else ""
        lines = [f"{where}applied {name}" for name in applied]
        show.say("\n".join(lines) or f"{where}Everything is there already.")


def _by_database(names: list[str] | None, database: str | None) -> dict[str, list[Feed]]:
    """Database → its feeds, of those that are named; all if none is."""
    chosen = [load_feeds(name, database) for name in names] if names else [load_feeds(None, database)]
    feeds = [feed for each in chosen for feed in each.all_usable()]
    return {each: [feed for feed in feeds if feed.database == each] for each in sorted({f.database for f in feeds})}
