"""The ledger's tables and each feed's own: printed for a DBA, or applied where that is allowed.

Expand first, contract a release later: a migration's first line says the oldest code that it serves, and only older
code refuses to run. A ledger that is made new has no older code to serve, so pub and relay write there at once what
older code cannot read.
"""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Identifier

from ledger import rights
from ledger.database import ONE_HEADER, connect, maybe, one, rows, run
from ledger.errors import Misconfigured, translated
from ledger.rows import COORDINATES, LINEAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog import Feed
    from ledger.database import Connection

MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True)
class Migration:
    """One numbered step of the schema."""

    version: int
    oldest_code: int
    file: Path

    @property
    def sql(self) -> str:
        return self.file.read_text(encoding="utf-8")


def migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """All migrations, oldest first. Misconfigured names a file without its first line."""
    found = []
    for file in sorted(folder.glob("[0-9]*.sql")):
        first = file.read_text(encoding="utf-8").split("\n", 1)[0]
        serves = re.fullmatch(r"-- oldest code: (\d+)", first)
        if not serves:
            raise Misconfigured(f"{file.name} must begin with `-- oldest code: N`")
        found.append(Migration(int(file.name[:4]), int(serves[1]), file))
    return found


def made_new(found: Sequence[Migration]) -> list[Migration]:
    """The migrations of a ledger that is made new: the last one raises the oldest code."""
    *earlier, last = found
    oldest = ONE_HEADER if last.version >= ONE_HEADER else last.oldest_code
    return [*earlier, replace(last, oldest_code=max(oldest, last.oldest_code))]


def table(feed: Feed) -> str:
    """The DDL of a feed's own table: its columns, then where each row came from."""
    lines = [
        f"    {_quoted(name)} {column.sql}{'' if column.nullable else ' NOT NULL'}"
        for name, column in feed.columns.items()
    ]
    lines += [f"    {name} {kind} NOT NULL" for name, kind in LINEAGE.items()]
    lines += [f"    PRIMARY KEY ({', '.join(map(_quoted, feed.key or COORDINATES))})"]
    return f"CREATE TABLE IF NOT EXISTS {feed.table} (\n" + ",\n".join(lines) + "\n);\n"


def create_database(url: str, name: str) -> None:
    """Create a database on that server, where it is not there yet."""
    with translated(), closing(connect(url, "feedfall", autocommit=True)) as connection:
        if not maybe(connection, "schema.database", name=name):
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))


def script(feeds: Sequence[Feed], roles: rights.Roles, folder: Path = MIGRATIONS) -> Iterator[str]:
    """The whole schema as SQL for a DBA, from nothing: all of it or none. What it makes belongs to the owner's role."""
    yield "BEGIN;\n"
    yield from rights.missing(roles)
    yield rights.owner(roles.owner)
    owner = Identifier(roles.owner).as_string(None)
    yield f"SET LOCAL ROLE {owner};\n"
    oldest = 0
    for migration in made_new(migrations(folder)):
        oldest = max(oldest, migration.oldest_code)  # what was refused once is never served again
        versions = f"({migration.version}, {oldest})"
        yield f"{migration.sql}\nINSERT INTO feedfall.schema (version, oldest_code) VALUES {versions};\n"
    for feed in feeds:
        yield f"-- {feed.name}\n{table(feed)}"
    yield "RESET ROLE;\n"
    yield from rights.grants(feeds, roles)
    yield "COMMIT;\n"


def rights_only(feeds: Sequence[Feed], roles: rights.Roles) -> Iterator[str]:
    """The rights alone, for a schema that is there already."""
    return iter(["BEGIN;\n", *rights.missing(roles), *rights.grants(feeds, roles), "COMMIT;\n"])


def for_pooler(feeds: Sequence[Feed], roles: rights.Roles) -> Iterator[str]:
    """The rights, and what sessions behind a pooler need of their roles."""
    yield from rights_only(feeds, roles)
    yield from rights.pooler(roles)


def migrate(connection: Connection, feeds: Sequence[Feed], folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is missing, in one transaction, one migration at a time; the names of what was applied."""
    with translated():
        connection.execute("SET LOCAL lock_timeout = '5s'")
        connection.execute("SET LOCAL client_min_messages = warning")
        maybe(connection, "schema.one_migration_at_a_time")
        applied = list(_apply(connection, folder))
        for feed in feeds:
            if not rows(connection, "schema.columns", table=feed.table):
                applied.append(f"table {feed.table}")
            connection.execute(table(feed).encode())
            check_table(connection, feed)
        connection.commit()
    return applied


def _apply(connection: Connection, folder: Path) -> Iterator[str]:
    exists = maybe(connection, "schema.exists")
    at = one(connection, "schema.version")[0] if exists and exists[0] else 0
    found = migrations(folder)
    for migration in found if at else made_new(found):
        if migration.version > at:
            connection.execute(migration.sql.encode())
            run(connection, "schema.applied", version=migration.version, oldest_code=migration.oldest_code)
            yield migration.file.stem


def check_table(connection: Connection, feed: Feed) -> None:
    """Does the table carry every column of the feed, in the feed's type? Misconfigured says which one differs."""
    with translated():
        columns = rows(connection, "schema.columns", table=feed.table)
    actual = {name: kind for name, kind, _, _ in columns}
    wanted = {name: column.sql for name, column in feed.columns.items()} | LINEAGE
    if not actual:
        raise Misconfigured(f"table {feed.table} does not exist: `feedfall migrate` or a DBA makes it")
    aliases = {"int": "integer", "timestamptz": "timestamp with time zone"}
    for name, kind in wanted.items():
        if name not in actual:
            raise Misconfigured(f"table {feed.table} has no column {name}: ALTER TABLE {feed.table} ADD {name} {kind}")
        if actual[name] != aliases.get(kind, kind):
            raise Misconfigured(f"{feed.table}.{name} is {actual[name]}; the feed writes {kind}: change one of the two")
    for name, _, must, generated in columns:
        if must and name not in wanted:
            raise Misconfigured(f"{feed.table}.{name} must have a value, and the feed has none: give it a DEFAULT")
        if generated and name in wanted:
            raise Misconfigured(f"{feed.table}.{name} is generated by the database, and the feed writes it: drop one")
    _check_kind(connection, feed)


def _check_kind(connection: Connection, feed: Feed) -> None:
    """Can rows be copied into it, merged by the key and counted? Misconfigured says why not."""
    key = list(feed.key or COORDINATES)
    with translated():
        kind, filtered, unique = one(connection, "schema.kind", table=feed.table, key=sorted(key))
    if kind not in ("r", "p"):
        what = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}.get(kind, "no table")
        raise Misconfigured(f"{feed.table} is {what}: a feed's rows need a table of their own")
    if filtered:
        raise Misconfigured(
            f"{feed.table} has row level security, which hides rows from this role: the ledger could not be proved. "
            f"ALTER TABLE {feed.table} DISABLE ROW LEVEL SECURITY, or give the role BYPASSRLS"
        )
    if not unique:
        names = ", ".join(map(_quoted, key))
        raise Misconfigured(
            f"{feed.table} has no unique index on its key: ALTER TABLE {feed.table} ADD PRIMARY KEY ({names})"
        )


def _quoted(name: str) -> str:
    """A column's name as SQL text: it may be one of SQL's own words, or have capital letters."""
    return Identifier(name).as_string(None)
