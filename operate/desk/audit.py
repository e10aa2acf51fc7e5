"""audit: the journal as people read it. Called by `feedfall audit`, the handover and the board.

intent, outcome ──▶ one line: an act and how it ended        an intent alone ──▶ its outcome is not known
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ledger import audit
from ledger.audit import Filter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ledger.audit import Line
    from ledger.database import Connection

#: What the machine writes by itself, under its stages' names; all else was done by people.
BY_ITSELF = ("absent", "arrived", "undelivered", "block", "wait")
INTENT, UNKNOWN = "intent", "unknown"


@dataclass(frozen=True)
class JournalLine:
    """Who did what, and why."""

    at: datetime
    database: str
    feed: str | None
    verb: str
    who: str
    role: str
    """`operator` or `approver`, where a person's act says it; else the login of the database."""
    channel: str
    address: str
    reason: str
    outcome: str
    """`done`, `refused`, `failed`; `unknown`: begun, and its end is not recorded; "": a line of no act."""
    words: str = ""
    """Why it was refused or failed."""
    ticket: str | None = None
    """Break-glass: done without a second person, under this number."""
    approval: int | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_break_glass(self) -> bool:
        return self.ticket is not None


def fetch_lines(connection: Connection, database: str, wanted: Filter) -> list[JournalLine]:
    """The newest first: an act once, with its outcome."""
    found = audit.fetch(connection, wanted)
    ended = {each.act for each in found if each.phase not in (None, INTENT)}
    return [line(each, database) for each in found if not (each.phase == INTENT and each.act in ended)]


def line(each: Line, database: str) -> JournalLine:
    """One line, as people read it."""
    signed_in = each.signed_in or each.who
    return JournalLine(
        each.at,
        database,
        each.feed,
        each.verb,
        each.who if signed_in == each.who else f"{each.who} (signed in as {signed_in})",
        each.acted_as or each.role or "",
        each.channel or "",
        each.address or "",
        each.reason,
        UNKNOWN if each.phase == INTENT else each.phase or "",
        each.words or "",
        each.ticket,
        each.approval,
        each.before,
        each.after,
        each.detail,
    )


def by_people(lines: Sequence[JournalLine]) -> list[JournalLine]:
    """Without what the machine wrote by itself."""
    return [each for each in lines if each.verb not in BY_ITSELF]
