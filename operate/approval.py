"""Does an act have its second person? Called inside `acting` by each verb that needs one.

    needs none ─▶ go on     --break-glass --ticket ─▶ go on, and the journal says so
    approved in this very world ─▶ go on, once      else ─▶ ask (or find what was asked), raise Asked

What holds where: the database refuses a decision under either name of who asked, whatever the face. Where each person
has a login of the database (a member of the operator's role), it refuses the same login too. In a bank with one login
it knows names alone, and those come from the machine or the identity provider: there the platform must set FEEDFALL_BY.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ledger import approval
from ledger.errors import Asked
from operate import previews
from operate.previews import required

if TYPE_CHECKING:
    from ledger.approval import Approval
    from ledger.database import Connection
    from operate.act import Act, Record
    from operate.previews import Preview


def obtain(connection: Connection, record: Record, shown: Preview) -> None:
    """Go on where the act needs no second person, or has one: then `record.act` has its number. Raises Asked."""
    act = record.act
    if act.ticket or act.approval or not shown.needs_approval:
        return
    found = approval.standing(connection, **_key(act, shown))
    if found and found.decision == "approved":
        record.act = replace(act, approval=found.id)
        return
    number = found.id if found else _ask(connection, act, shown)
    words = f"it needs a second person: approval {number} is asked for. `feedfall approve {number}` within 30 min"
    raise Asked(words, number, act.verb, act.feed)


def use(connection: Connection, record: Record) -> None:
    """The act is done: its approval serves no other. The caller commits."""
    if record.act.approval is not None:
        approval.use(connection, record.act.approval)


def pending(connection: Connection) -> list[Approval]:
    """What waits for a second person, or is approved and not done yet."""
    return approval.pending(connection)


def latest(connection: Connection, limit: int) -> list[Approval]:
    """The newest approvals, whatever became of them."""
    return approval.latest(connection, limit)


def _ask(connection: Connection, act: Act, shown: Preview) -> int:
    actor = act.actor
    about = {"preview": previews.words(shown), "reason": act.reason}
    face = {"asked_channel": actor.channel, "asked_address": actor.address}
    return approval.ask(connection, **_key(act, shown), **about, **face)


def _key(act: Act, shown: Preview) -> dict[str, object]:
    """What must be the same: the verb, its frozen arguments, the person, and the world."""
    who = {"asked_by": act.actor.who, "asked_signed_in": act.actor.login}
    return {"verb": act.verb, "feed": act.feed, "arguments": dict(act.arguments), "digest": shown.digest, **who}


__all__ = ["latest", "obtain", "pending", "required", "use"]
