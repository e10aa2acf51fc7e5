"""The door to PostgreSQL: one connection, opened with time-outs, ended by whoever opened it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.rows import class_row

from ledger.errors import Misconfigured, Transient, translated
from ledger.statements import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

#: The schema version that this code was written for. A migration that this code needs raises it.
CODE = 8

#: Set by the session itself: a dead *node* sends no FIN, and Linux waits two hours for it by default.
OPTIONS = (
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 "
    "-c idle_in_transaction_session_timeout=120000 -c lock_timeout=30000 "
    "-c timezone=UTC -c datestyle=ISO -c client_encoding=UTF8"
)


def connect(url: str, name: str, *, autocommit: bool = False) -> Connection:
    """Open a session that shows as `name` in pg_stat_activity. Raises Transient or Misconfigured."""
    with translated():
        try:
            return psycopg.connect(
                url, application_name=name[:63], connect_timeout=5, options=OPTIONS, autocommit=autocommit
            )
        except psycopg.OperationalError as error:
            from ledger import refusal  # noqa: PLC0415 -- only a failed connection pays for it

            raise refusal.with_sqlstate(error, url) from error
        except psycopg.ProgrammingError as error:
            # Without the driver's words: they repeat the URL, and the password in it.
            raise Misconfigured(
                "DATABASE_URL cannot be read: write postgresql://user:password@host:port/database, "
                "with %40 for @, %2F for / and so on in the password"
            ) from error


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


def check(connection: Connection, code: int = CODE) -> None:
    """Refuse a database that lacks the ledger, lags behind this code, or no longer serves it. Ends no transaction."""
    with translated():
        if not one(connection, "schema.exists")[0]:
            raise Misconfigured(
                "the database has no ledger: run `feedfall migrate`, or give `feedfall schema` to a DBA"
            )
        version, oldest = maybe(connection, "schema.version") or (0, 0)
    if code < oldest:
        raise Misconfigured(f"this image's code ({code}) is older than the schema serves ({oldest}): use a newer image")
    if version < code:
        raise Misconfigured(f"the schema ({version}) is older than this code ({code}): run `feedfall migrate` first")


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
