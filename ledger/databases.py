"""Which database is used, and a session in it: the only module that reads DATABASE_URL, DATABASE_URL_STK and the like.

    url ──────────── the address alone: for pods and the service, which open a session again after an outage
    open_session ─── a checked session, owned by the caller: for a command that waits
    transaction ──── a checked session for one command: committed when it ends well

A database without the ledger, or with another version of it, is refused by `ledger.database.check`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ledger import address
from ledger.database import check, connect, session
from ledger.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ledger.database import Connection

#: The setting that names the database of feeds that name none, which is also the home of calendars.
VARIABLE = "DATABASE_URL"


def variable(database: str = "") -> str:
    """The setting that has the address of a feed's database: "" is DATABASE_URL's, "stk" DATABASE_URL_STK's."""
    return f"{VARIABLE}_{database.upper()}" if database else VARIABLE


def url(environ: Mapping[str, str], needed_for: str = "The ledger is there", *, database: str = "") -> str:
    """The address of a database. Raises Misconfigured where it is miswritten, or not set: with `needed_for`."""
    found = environ.get(variable(database))
    if not found:
        raise Misconfigured(f"not set: {variable(database)}. {needed_for}")
    try:
        address.check(found, environ)
    except Misconfigured as error:
        raise Misconfigured(str(error).replace(VARIABLE, variable(database), 1)) from None
    return found


def is_set(environ: Mapping[str, str]) -> bool:
    """Does the environment name a database? A question about business days needs none."""
    return bool(environ.get(VARIABLE))


def open_session(environ: Mapping[str, str], name: str, *, database: str = "", autocommit: bool = False) -> Connection:
    """Open a checked session that shows as `name` in pg_stat_activity. The caller closes it."""
    connection = connect(url(environ, database=database), name, autocommit=autocommit)
    try:
        check(connection)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(environ: Mapping[str, str], name: str, needed_for: str = "The ledger is there") -> Iterator[Connection]:
    """A checked session for one command: committed when the block ends well, rolled back when it does not."""
    with session(url(environ, needed_for), name) as connection:
        yield connection
