"""Why a server refused a connection, in a word that is the same in every language: its SQLSTATE.

libpq keeps only the server's sentence, and that is in the server's language (`lc_messages`, which a client may not
set). The protocol does carry the SQLSTATE; libpq shows it to whoever traces the conversation. So a connection that
failed is tried once more, traced. Nothing of the trace is kept: it may hold a password.
"""

import re
import select
import tempfile
import time

import psycopg
from psycopg import conninfo, errors, pq

SECONDS = 5.0
SQLSTATE = re.compile(rb'ErrorResponse\t.* C "([0-9A-Z]{5})"')


def with_sqlstate(error: psycopg.OperationalError, url: str) -> psycopg.Error:
    """The error of a failed connection, as the class of its SQLSTATE where the server gives one."""
    if error.pgconn is None or isinstance(error, errors.ConnectionTimeout):
        return error  # no server answered
    try:
        return errors.lookup(sqlstate(url) or "")(str(error))
    except KeyError:
        return error


def sqlstate(url: str) -> str | None:
    """The SQLSTATE with which the server refuses; None when it does not answer, or does not refuse any more."""
    with tempfile.TemporaryFile() as trace:
        try:
            _attempt(url, trace.fileno())
        except psycopg.Error:  # no server, or a platform on which libpq does not trace
            return None
        trace.seek(0)
        found = SQLSTATE.search(trace.read())
    return found.group(1).decode() if found else None


def _attempt(url: str, trace: int) -> None:
    """Connect as far as the server lets us, and disconnect."""
    attempt = pq.PGconn.connect_start(conninfo.make_conninfo(url).encode())
    try:
        attempt.trace(trace)
        until = time.monotonic() + SECONDS
        while (status := attempt.connect_poll()) not in OVER and time.monotonic() < until:
            reads = [attempt.socket] if status == pq.PollingStatus.READING else []
            writes = [attempt.socket] if status == pq.PollingStatus.WRITING else []
            select.select(reads, writes, [], 0.1)
    finally:
        attempt.untrace()
        attempt.finish()


OVER = (pq.PollingStatus.OK, pq.PollingStatus.FAILED)
