"""The journal, to be read: who did what, when, why, by which channel, and what it changed. Read only.

An act of a person has two lines, an intent and an outcome (`operate/act.py`); what the machine writes has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger.database import Connection, fetch_all, one
from ledger.errors import translated

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID


@dataclass(frozen=True)
class Line:
    """One line of the journal."""

    id: int
    at: datetime
    who: str
    verb: str
    feed: str | None
    reason: str
    detail: Mapping[str, Any]
    role: str | None
    """The login of the database that wrote it."""
    act: UUID | None = None
    """What the lines of one act have in common."""
    phase: str | None = None
    signed_in: str | None = None
    acted_as: str | None = None
    channel: str | None = None
    address: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    words: str | None = None
    ticket: str | None = None
    approval: int | None = None


@dataclass(frozen=True)
class Filter:
    """Which lines; None: all."""

    feed: str | None = None
    since: datetime | None = None
    by: str | None = None
    verb: str | None = None
    limit: int = 50


def fetch(connection: Connection, wanted: Filter) -> list[Line]:
    """The newest lines first."""
    with translated():
        return fetch_all(connection, Line, "audit.lines", **vars(wanted))


def fetch_handed_over(connection: Connection) -> datetime | None:
    """When a shift last took over."""
    with translated():
        moment: datetime | None = one(connection, "audit.handed_over")[0]
    return moment
