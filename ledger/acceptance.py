"""Base dates that count as done without their rows (완료처리): who decided that, and the second person.

absent ──accept──▶ accepted ──undo──▶ absent      each a line of its own; the newest decides
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.database import fetch_all, run
from ledger.errors import translated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from ledger.database import Connection


@dataclass(frozen=True)
class Acceptance:
    """One that holds."""

    base_date: date
    who: str
    reason: str
    approval: int | None
    ticket: str | None
    at: datetime

    @property
    def words(self) -> str:
        return f"accepted by {self.who} without its rows: {self.reason}"


def in_force(connection: Connection, feed: str, days: Sequence[date]) -> dict[date, Acceptance]:
    """Which of these base dates are accepted."""
    with translated():
        found = fetch_all(connection, Acceptance, "acceptance.in_force", feed=feed, days=list(days))
    return {each.base_date: each for each in found}


def accept(
    connection: Connection,
    feed: str,
    base_date: date,
    who: str,
    signed_in: str,
    reason: str,
    *,
    approval: int | None,
    ticket: str | None,
) -> None:
    """Let a base date count as done. The caller commits; the sweep closes its absence."""
    about = {"feed": feed, "base_date": base_date, "who": who, "signed_in": signed_in, "reason": reason}
    with translated():
        run(connection, "acceptance.write", **about, accepted=True, approval=approval, ticket=ticket)


def undo(connection: Connection, feed: str, base_date: date, who: str, signed_in: str, reason: str) -> None:
    """Take it back: an absence that was reported is open again. The caller commits."""
    about = {"feed": feed, "base_date": base_date, "who": who, "signed_in": signed_in, "reason": reason}
    with translated():
        run(connection, "acceptance.write", **about, accepted=False, approval=None, ticket=None)
        run(connection, "acceptance.reopen", feed=feed, base_date=base_date)
