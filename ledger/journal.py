"""Who did what, and why. Lines are only added; the server sets their time and the login that wrote them.

intent ──▶ what it changed, one line a thing ──▶ done, refused or failed      one act: the same `act` in each line
absent, arrived, block, wait …                                                lines of no act, by a sweep or a stage
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from ledger import printable
from ledger.chunk import storable
from ledger.database import one, run
from ledger.errors import Misconfigured, translated
from ledger.statements import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from ledger.database import Connection


class Phase(StrEnum):
    """Which line of an act it is. An intent without one of the others: nobody could say how the act ended."""

    INTENT = "intent"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class Signature:
    """Whose line it is, and of which act."""

    act: UUID
    who: str
    signed_in: str
    """Whom the machine, or the identity provider, knew: `who` may be another name."""
    acted_as: str
    channel: str
    address: str
    ticket: str | None = None
    approval: int | None = None


def check_reason(reason: str, whose: str = "--reason") -> str:
    """The reason, without blanks at its ends. Raises Misconfigured for an empty one, for all acts alike."""
    if not reason.strip():
        raise Misconfigured(f"{whose} is empty: say why, it is written to the journal")
    printable.check(**{whose: reason})
    return reason.strip()


def write(connection: Connection, verb: str, feed: str | None, who: str, reason: str, **detail: object) -> None:
    """A line in the journal. The caller commits."""
    write_each(connection, verb, feed, who, reason, [detail])


def write_each(
    connection: Connection, verb: str, feed: str | None, who: str, reason: str, details: Iterable[Mapping[str, object]]
) -> None:
    """A line in the journal for each of many things that were done at once. The caller commits."""
    line = {"who": who, "verb": verb, "feed": feed, "reason": reason}
    connection.cursor().executemany(sql("journal.write"), [{**line, "detail": Jsonb(detail)} for detail in details])


def sign(
    connection: Connection,
    signature: Signature,
    phase: Phase | None,
    verb: str,
    feed: str | None,
    reason: str,
    *,
    detail: Mapping[str, object] | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    words: str | None = None,
) -> None:
    """A line of an act. `phase` None: one of the things that it changed. The caller commits."""
    values = {"phase": phase, "verb": verb, "feed": feed, "reason": reason, "words": storable(words) if words else None}
    states = {"before": None if before is None else Jsonb(before), "after": None if after is None else Jsonb(after)}
    run(connection, "journal.sign", **vars(signature), **values, **states, detail=Jsonb(detail or {}))


def may_write(connection: Connection) -> bool:
    """May this session's role add lines?"""
    with translated():
        return bool(one(connection, "journal.may_write")[0])
