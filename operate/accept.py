"""accept (완료처리): a base date counts as done without its rows. A second person agrees, and it can be taken back.

    absent ─▶ preview ─▶ approval ─▶ a line in `acceptance` ─▶ the sweep closes the absence; `submit --wait` ends

Nothing is loaded or refused by it: rows that come all the same are loaded. Called by `feedfall accept`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger import acceptance
from ledger.absence import fetch_facts
from ledger.errors import Refused
from operate import approval, previews
from operate.act import Act, acting
from operate.previews import Facts, Preview
from steps.watch import absence

if TYPE_CHECKING:
    from datetime import date, datetime

    from catalog import Feed
    from ledger.database import Connection
    from operate.act import Actor


def accept(connection: Connection, feed: Feed, day: date, act: Act, now: datetime) -> None:
    """Let a base date count as done, and commit. Raises Asked, and Refused where there is nothing to accept."""
    with acting(connection, act) as record:
        shown = look(connection, feed, day, now)
        if not shown.needs_approval:
            raise Refused(previews.words(shown))
        approval.obtain(connection, record, shown)
        done, actor = record.act, act.actor
        signed = (actor.who, actor.login, done.reason)
        acceptance.accept(connection, feed.name, day, *signed, approval=done.approval, ticket=done.ticket)
        approval.use(connection, record)
        record.before, record.after = {"situation": shown.parameters["situation"]}, {"accepted": True}


def undo(connection: Connection, feed: Feed, day: date, actor: Actor, reason: str) -> None:
    """Take it back, and commit. It needs no second person: what is missing is watched again. Raises Refused."""
    act = Act("accept", actor, reason, feed.name, {"base_date": day.isoformat(), "undo": True})
    with acting(connection, act) as record:
        if not acceptance.in_force(connection, feed.name, [day]):
            raise Refused(f"{feed.name} {day} is not accepted: there is nothing to take back")
        acceptance.undo(connection, feed.name, day, actor.who, actor.login, record.act.reason)
        record.before, record.after = {"accepted": True}, {"accepted": False}


def look(connection: Connection, feed: Feed, day: date, now: datetime) -> Preview:
    """What accepting this base date would do now."""
    facts = fetch_facts(connection, feed, {day: absence.began(feed, day)})[day]
    found = absence.finding(feed, facts, now)
    return previews.preview(
        "accept",
        Facts(
            feed.name,
            base_date=day,
            situation=found.situation if found else None,
            words=found.words if found else "",
            accepted_by=facts.accepted.who if facts.accepted else None,
        ),
    )


def asked(feed: Feed, day: date, actor: Actor, reason: str, ticket: str | None = None) -> Act:
    """The act of accepting a base date."""
    return Act("accept", actor, reason, feed.name, {"base_date": day.isoformat()}, ticket)
