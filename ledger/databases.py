"""Which database is used, and a session in it: the only module that reads DATABASE_URL.

    url ──────────── the address alone: for pods and the service, which open a session again after an outage
    open_session ─── a checked session, owned by the caller: for a command that waits
    transaction ──── a checked session for one command: committed when it ends well

A database without the ledger, or with another version of it, is refused by `ledger.database.check`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ledger import database
from ledger.address import check
from ledger.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ledger.database import Connection

#: The setting that names the database.
VARIABLE = "DATABASE_URL"


def url(environ: Mapping[str, str], needed_for: str = "The ledger is there") -> str:
    """The address of the database. Raises Misconfigured where it is miswritten, or not set: with `needed_for`."""
    address = environ.get(VARIABLE)
    if not address:
        raise Misconfigured(f"not set: {VARIABLE}. {needed_for}")
    check(address, environ)
    return address


def is_set(environ: Mapping[str, str]) -> bool:
    """Does the environment name a database? A question about business days needs none."""
    return bool(environ.get(VARIABLE))


def open_session(environ: Mapping[str, str], name: str, *, autocommit: bool = False) -> Connection:
    """Open a checked session that shows as `name` in pg_stat_activity. The caller closes it."""
    connection = database.connect(url(environ), name, autocommit=autocommit)
    try:
        database.check(connection)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(environ: Mapping[str, str], name: str, needed_for: str = "The ledger is there") -> Iterator[Connection]:
    """A checked session for one command: committed when the block ends well, rolled back when it does not."""
    with database.session(url(environ, needed_for), name) as connection:
        yield connection
