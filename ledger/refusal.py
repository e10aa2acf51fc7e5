"""Why a server refused a connection, in a word that is the same in every language: its SQLSTATE.

libpq keeps only the server's sentence, and that is in the server's language (`lc_messages`, which a client may not
set). The protocol does carry the SQLSTATE; libpq shows it to whoever traces the conversation. So a connection that
failed is tried once more, listening. Nothing of the trace is kept: it may hold a password.
"""

import re
import select
import tempfile
import time

import psycopg
from psycopg import conninfo, errors, pq

SECONDS = 5.0
SQLSTATE = re.compile(rb'ErrorResponse\t.* C "([0-9A-Z]{5})"')


def told(error: psycopg.OperationalError, url: str) -> psycopg.Error:
    """The error of a failed connection, as the class of its SQLSTATE where the server gives one."""
    if error.pgconn is None or isinstance(error, errors.ConnectionTimeout):
        return error  # nobody was there to say anything
    try:
        return errors.lookup(sqlstate(url) or "")(str(error))
    except KeyError:
        return error


def sqlstate(url: str) -> str | None:
    """The SQLSTATE with which the server refuses; None when it does not answer, or does not refuse any more."""
    with tempfile.TemporaryFile() as heard:
        try:
            _knock(url, heard.fileno())
        except psycopg.Error:  # no server, or a platform on which libpq does not trace
            return None
        heard.seek(0)
        found = SQLSTATE.search(heard.read())
    return found.group(1).decode() if found else None


def _knock(url: str, heard: int) -> None:
    """Connect as far as the server lets us, and hang up."""
    knocking = pq.PGconn.connect_start(conninfo.make_conninfo(url).encode())
    try:
        knocking.trace(heard)
        until = time.monotonic() + SECONDS
        while (status := knocking.connect_poll()) not in OVER and time.monotonic() < until:
            reads = [knocking.socket] if status == pq.PollingStatus.READING else []
            writes = [knocking.socket] if status == pq.PollingStatus.WRITING else []
            select.select(reads, writes, [], 0.1)
    finally:
        knocking.untrace()
        knocking.finish()


OVER = (pq.PollingStatus.OK, pq.PollingStatus.FAILED)
