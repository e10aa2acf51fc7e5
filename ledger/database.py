"""The door to PostgreSQL: one connection, opened with time-outs, ended by whoever opened it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.rows import class_row

from ledger.address import check as check_address
from ledger.errors import Misconfigured, Transient, translated
from ledger.statements import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

#: The schema version that this code was written for. A migration that this code needs raises it.
CODE = 15
#: The oldest code that reads the header `feedfall`: its messages are written where the schema serves no older one.
ONE_HEADER = 8

#: Set by the session itself: a dead *node* sends no FIN, and Linux waits two hours for it by default.
NEEDED = {"idle_in_transaction_session_timeout": "2min", "lock_timeout": "30s", "datestyle": "ISO"}
#: Likewise, and no fault where a pooler drops them.
WISHED = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3", "timezone": "UTC"}
OPTIONS = " ".join(f"-c {name}={value}" for name, value in {**NEEDED, **WISHED, "client_encoding": "UTF8"}.items())


def connect(url: str, name: str, *, autocommit: bool = False) -> Connection:
    """Open a session that shows as `name` in pg_stat_activity. Raises Transient or Misconfigured."""
    check_address(url, os.environ)
    with translated():
        try:
            return psycopg.connect(
                url,
                application_name=name[:63],
                connect_timeout=5,
                options=OPTIONS,
                autocommit=autocommit,
                prepare_threshold=None,  # behind a pooler the next transaction is another session's
            )
        except psycopg.OperationalError as error:
            if "unsupported startup parameter" in str(error):
                raise Misconfigured(POOLER) from error
            from ledger import refusal  # noqa: PLC0415 -- only a failed connection pays for it

            raise refusal.with_sqlstate(error, url) from error


@contextmanager
def session(url: str, name: str) -> Iterator[Connection]:
    """A checked connection for the length of a command: committed when it ends well, rolled back when not."""
    connection = connect(url, name)
    try:
        check(connection)
        with translated():
            yield connection
            connection.commit()
    finally:
        connection.close()


POOLER = (
    "a pooler refuses what a session needs: write `ignore_startup_parameters = options` into pgbouncer.ini, and give "
    "`feedfall schema --rights --pooler` to the DBA (docs/operate.md, PgBouncer)"
)


def check(connection: Connection, code: int = CODE) -> None:
    """Refuse a database that lacks the ledger, lags behind this code, or no longer serves it. Ends no transaction."""
    with translated():
        role, *found = one(connection, "schema.session")
        lacks = [f"{name} = '{NEEDED[name]}'" for name, is_set in zip(NEEDED, found, strict=True) if not is_set]
        if lacks:
            raise Misconfigured(
                f"a pooler between feedfall and the database drops what a session needs. As the DBA: ALTER ROLE {role} "
                f"SET {lacks[0]}, and so on: `feedfall schema --rights --pooler` prints all of it"
            )
        if not one(connection, "schema.exists")[0]:
            raise Misconfigured(
                "the database has no ledger: run `feedfall migrate`, or give `feedfall schema` to a DBA"
            )
        version, oldest = one(connection, "schema.version")
    if code < oldest:
        raise Misconfigured(f"this image's code ({code}) is older than the schema serves ({oldest}): use a newer image")
    if version < code:
        raise Misconfigured(f"the schema ({version}) is older than this code ({code}): run `feedfall migrate` first")


def has_one_header(connection: Connection, feed: str) -> bool:
    """May messages of the feed carry the header `feedfall` alone: does only code that reads it work here?"""
    with translated():
        return bool(one(connection, "schema.one_header", feed=feed, code=ONE_HEADER)[0])


def one(connection: Connection, statement: str, **values: object) -> tuple[Any, ...]:
    """The single row of a named statement."""
    row = maybe(connection, statement, **values)
    if row is None:
        raise LookupError(f"{statement} found no row for {values}")
    return row


def maybe(connection: Connection, statement: str, **values: object) -> tuple[Any, ...] | None:
    """The first row of a named statement, if there is one."""
    return connection.execute(sql(statement), values).fetchone()


def rows(connection: Connection, statement: str, **values: object) -> list[tuple[Any, ...]]:
    """All rows of a named statement."""
    return connection.execute(sql(statement), values).fetchall()


def fetch_all(connection: Connection, kind: type[T], statement: str, **values: object) -> list[T]:
    """All rows of a named statement as dataclasses: each column becomes the field of its name."""
    return as_rows_of(kind, connection.execute(sql(statement), values)).fetchall()


def fetch_one(connection: Connection, kind: type[T], statement: str, **values: object) -> T | None:
    """The first row of a named statement, likewise, if there is one."""
    return as_rows_of(kind, connection.execute(sql(statement), values)).fetchone()


def as_rows_of(kind: type[T], cursor: psycopg.Cursor[Any]) -> psycopg.Cursor[T]:
    """Let a cursor that has executed give its rows as dataclasses."""
    cursor.row_factory = class_row(kind)
    return cursor


def run(connection: Connection, statement: str, **values: object) -> int:
    """Run a named statement; how many rows it touched."""
    return connection.execute(sql(statement), values).rowcount


@contextmanager
def at_once(connection: Connection) -> Iterator[None]:
    """Each statement commits by itself; what was open is rolled back.

    A client that freezes between a statement and its COMMIT would keep the rows locked, and everybody after it waiting.
    """
    connection.rollback()
    connection.autocommit = True
    try:
        yield
    finally:
        if not (connection.closed or connection.broken):
            connection.autocommit = False


def commit(connection: Connection) -> None:
    """Commit. Raises Unsure when the answer was lost: the commit may or may not have happened."""
    try:
        connection.commit()
    except psycopg.OperationalError as error:
        raise Unsure(f"the reply to COMMIT was lost: {error}") from error


def rollback(connection: Connection) -> None:
    """End the transaction without a trace. Raises Transient where the session was ended meanwhile."""
    with translated():
        connection.rollback()


class Unsure(Transient):
    """The reply to COMMIT was lost: look the span up on a new connection before saying anything."""
