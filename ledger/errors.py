"""What can go wrong, in two families. `steps/run/exits.py` gives each its exit code.

    Failure
    ├── Transient            outside trouble: the same command may succeed later, and nothing was lost
    │   └── Fenced           another run has taken over; this one must not write any more
    └── Permanent            trying again will not help: a person must act first
        ├── Misconfigured    a setting, a right, a table or a version is wrong
        ├── DataRefused      more bad rows than the feed allows: a changed contract
        ├── OffsetGap        Kafka no longer has what the checkpoint expects
        ├── LedgerBroken     the ledger does not add up
        └── Refused          a person's act is refused as things stand, and changed nothing
            └── Asked        it waits for a second person

A bad row is none of these: it is a value, and goes to quarantine.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors as pg


class Failure(Exception):  # noqa: N818 -- the family's name; its members say what failed
    """Something went wrong; the text says what an operator should do."""


class Transient(Failure):
    """Outside trouble: the same command may succeed later."""


class Fenced(Transient):
    """Another run has taken over; this one must not write any more."""


class Permanent(Failure):
    """Trying again will not help: a person must act first."""


class Misconfigured(Permanent):
    """A setting, a right, a table or a version is wrong."""


class DataRefused(Permanent):
    """More bad rows than the feed allows."""


class OffsetGap(Permanent):
    """Kafka no longer has what the checkpoint expects."""


class LedgerBroken(Permanent):
    """The ledger does not add up."""


class Refused(Permanent):
    """A person's act is refused as things stand, and changed nothing."""


class Asked(Refused):
    """A person's act waits for a second person's decision: `approval` is its number."""

    def __init__(self, words: str, approval: int | None = None, verb: str = "-", feed: str | None = None) -> None:
        super().__init__(words)
        self.approval, self.verb, self.feed = approval, verb, feed


#: SQLSTATE classes of outside trouble: connection, transaction rolled back, resources, operator, system, failover.
OUTAGE = ("08", "40", "53", "55", "57", "58", "25006", "25P03", "25P04")
#: What is said without an SQLSTATE, where it is a matter of settings: by libpq itself, and by a server (in English)
#: where libpq cannot tell its SQLSTATE (`ledger/refusal.py`).
SETTINGS = (
    "authentication failed",
    "does not exist",
    "no password supplied",
    "pg_hba.conf",
    "permission denied for database",
    "is not permitted to log in",
    "invalid ",
)


#: Where a temporary table of ours is gone.
POOLED = (
    "this command keeps tables in its session, and a pooler gave its next transaction to another one: run it with a "
    "direct address of the database in DATABASE_URL"
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours. What is left is a bug in feedfall: it passes with its sentence alone."""
    try:
        yield
    except psycopg.Error as error:
        failure = translate(error)
        if failure is None:
            raise type(error)(sentence(error)).with_traceback(error.__traceback__) from None
        raise failure from error


def sentence(error: psycopg.Error) -> str:
    """The server's own sentence. Never its DETAIL or CONTEXT: they quote rows, and a log must not have them."""
    return str(error.diag.message_primary or error).strip().replace("\n", " ")


def translate(error: psycopg.Error) -> Failure | None:
    """The failure that a driver's error stands for; None for a mistake in our own SQL."""
    state, text = error.sqlstate or "", sentence(error)
    if isinstance(error, pg.InsufficientPrivilege):
        return Misconfigured(f"the database role lacks a right: {text}. `feedfall schema` prints the GRANTs")
    if isinstance(error, pg.UndefinedTable | pg.UndefinedColumn | pg.InvalidSchemaName):
        lacks = f"the database lacks a table or column: {text}. Run `feedfall migrate`"
        return Misconfigured(POOLED if 'relation "_' in text else lacks)
    if state.startswith(("28", "3D")) or (not state and any(word in text for word in SETTINGS)):
        return Misconfigured(f"the database refuses this connection: {text}. Check DATABASE_URL")
    if isinstance(error, pg.LockNotAvailable):
        return Transient(
            f"blocked by another session's lock: {text}. Again when the run or session in flight has ended"
        )
    if state.startswith(OUTAGE) or (not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)):
        return Transient(f"the database is out of reach: {text}. Nothing was lost; the next run goes on from here")
    return None


def is_data(error: psycopg.Error) -> bool:
    """Is this the database refusing a row: data, constraint, a view's check, a row too large, a trigger's RAISE?"""
    return (error.sqlstate or "").startswith(("22", "23", "44", "54", "P0001"))
