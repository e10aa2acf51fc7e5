"""A patient reader of the ledger, for commands that wait: it connects when it is asked, and again where that broke."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self, TypeVar

from ledger import databases
from ledger.database import Connection
from ledger.errors import Failure
from operate.follow import Watch

T = TypeVar("T")


class Book:
    """Call it with a question to the ledger. Each is a transaction of its own."""

    def __init__(self, environ: Mapping[str, str], watch: Watch) -> None:
        self._environ, self._watch = environ, watch
        self._connection: Connection | None = None
        databases.url(environ, "The ledger tells when a feed's rows are there")  # said before anything is started

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def __call__(self, ask: Callable[[Connection], T]) -> T:
        return self._watch.patiently(lambda: self._once(ask))

    def _once(self, ask: Callable[[Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = databases.open_session(self._environ, "feedfall", autocommit=True)
            return ask(self._connection)
        except Failure:
            self._close()
            raise

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None
