"""A session of the ledger for commands that wait: opened at the first question, and again after an outage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self, TypeVar

from ledger import databases
from ledger.database import Connection
from ledger.errors import Failure
from operate.follow import Watch

T = TypeVar("T")


class PatientLedger:
    """Call it with a function of a connection. Each call is a transaction of its own, retried during an outage."""

    def __init__(self, environ: Mapping[str, str], watch: Watch, database: str = "") -> None:
        self._environ, self._watch, self._database = environ, watch, database
        self._connection: Connection | None = None
        words = "The ledger tells when a feed's rows are there"
        databases.url(environ, words, database=database)  # refused before anything is started

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def __call__(self, query: Callable[[Connection], T]) -> T:
        return self._watch.patiently(lambda: self.once(query))

    def once(self, query: Callable[[Connection], T]) -> T:
        """Likewise, without a second try."""
        try:
            if self._connection is None:
                self._connection = databases.open_session(
                    self._environ, "feedfall", database=self._database, autocommit=True
                )
            return query(self._connection)
        except Failure:
            self._close()
            raise

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None
