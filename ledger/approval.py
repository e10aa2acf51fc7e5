"""A second person's decision on an act. What was asked is frozen; the database itself refuses who asked.

asked ──▶ approved ──▶ used          an approval serves once
  │  ├──▶ rejected
  │  └──▶ stale                      the world had changed
  └─────▶ expired                    after 30 minutes, decided or not
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from ledger.database import fetch_all, fetch_one, one, run
from ledger.errors import Refused, sentence, translated

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ledger.database import Connection


@dataclass(frozen=True)
class Approval:
    """One of them. Times are aware."""

    id: int
    verb: str
    feed: str | None
    arguments: Mapping[str, Any]
    preview: str
    digest: str
    reason: str
    asked_by: str
    asked_signed_in: str
    asked_channel: str
    asked_address: str
    asked_role: str
    asked_at: datetime
    expires_at: datetime
    decision: str | None = None
    decided_by: str | None = None
    decided_signed_in: str | None = None
    decided_reason: str | None = None
    decided_role: str | None = None
    decided_at: datetime | None = None
    used_at: datetime | None = None

    def state(self, now: datetime) -> str:
        """Asked, approved, rejected, stale, used or expired."""
        if self.used_at:
            return "used"
        over = self.expires_at <= now and self.decision in (None, "approved")
        return "expired" if over else self.decision or "asked"


def ask(connection: Connection, **asked: Any) -> int:  # noqa: ANN401 -- the fields of an Approval that are asked for
    """Ask for it, and commit; its number."""
    with translated():
        number: int = one(connection, "approval.ask", **{**asked, "arguments": Jsonb(asked["arguments"])})[0]
        connection.commit()
    return number


def standing(connection: Connection, **asked: Any) -> Approval | None:  # noqa: ANN401 -- likewise
    """What this person asked for in the same world and is not over; the approved one first."""
    with translated():
        return fetch_one(connection, Approval, "approval.standing", **{**asked, "arguments": Jsonb(asked["arguments"])})


def find(connection: Connection, number: int) -> Approval | None:
    """One of them, locked until the caller's transaction ends."""
    with translated():
        return fetch_one(connection, Approval, "approval.find", id=number)


def pending(connection: Connection) -> list[Approval]:
    """What waits for a second person, or is approved and not done yet; the newest first."""
    with translated():
        return fetch_all(connection, Approval, "approval.pending")


def latest(connection: Connection, limit: int) -> list[Approval]:
    """The newest, whatever became of them."""
    with translated():
        return fetch_all(connection, Approval, "approval.latest", limit=limit)


def decide(connection: Connection, number: int, decision: str, by: str, signed_in: str, reason: str) -> None:
    """Decide. The caller commits. Raises Refused in the database's own words: expired, decided, or no second person."""
    about = {"id": number, "decision": decision, "by": by, "signed_in": signed_in, "reason": reason}
    with translated():
        try:
            run(connection, "approval.decide", **about)
        except psycopg.errors.CheckViolation as error:
            raise Refused(_words(number, error)) from error


def use(connection: Connection, number: int) -> None:
    """Its act is done. The caller commits. Raises Refused where it was used before, or has expired."""
    with translated():
        try:
            run(connection, "approval.use", id=number)
        except psycopg.errors.CheckViolation as error:
            raise Refused(_words(number, error)) from error


def _words(number: int, error: psycopg.Error) -> str:
    if error.diag.constraint_name == "approval_second_person":
        return (
            f"who has asked for approval {number} does not decide it: a second person, who is signed in as such, does"
        )
    return sentence(error)
