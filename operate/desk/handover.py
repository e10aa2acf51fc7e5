"""handover (인수인계): what the next shift must know, from the desk and the journal.

break-glass first ─ open cases ─ holds, the oldest first ─ acts since ─ what to watch next, by its clock time
the next shift acknowledges: a line `handover` in each journal, from which the next handover begins
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ledger import audit as journal_lines
from ledger.audit import Filter
from operate.act import Act, acting
from operate.desk import audit
from operate.desk.desk import Band, Desk, FeedDay, FeedState, State, Why
from operate.desk.words import sentence, state_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from ledger.database import Connection
    from operate.act import Actor
    from operate.desk.audit import JournalLine

#: Where nobody has acknowledged a handover yet.
SHIFT = timedelta(hours=12)
LINES = 10_000
VERB = "handover"
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Handover:
    """One shift, handed over."""

    since: datetime
    until: datetime
    break_glass: Sequence[JournalLine]
    cases: Sequence[FeedDay]
    """Base dates for which a person must act, the longest overdue first."""
    holds: Sequence[FeedState]
    """Held feeds, the oldest hold first."""
    acts: Sequence[JournalLine]
    """What people did, the oldest first."""
    watch: Sequence[FeedDay]
    """Base dates that are under way, by the time of their next event."""


def since(connection: Connection, now: datetime) -> datetime:
    """When a shift last took over, or half a day ago."""
    return journal_lines.fetch_handed_over(connection) or now - SHIFT


def fetch_lines(connection: Connection, database: str, start: datetime) -> list[JournalLine]:
    """What people did in one database since then, the newest first."""
    return audit.by_people(audit.fetch_lines(connection, database, Filter(since=start, limit=LINES)))


def handover(desk: Desk, lines: Sequence[JournalLine], start: datetime) -> Handover:
    """Put together what the next shift must know."""
    acts = sorted(lines, key=lambda each: each.at)
    cases = [each for each in desk.days if each.band is Band.ACT]
    open_days = [each for each in desk.days if each.band is Band.OPEN and each.next_at]
    return Handover(
        start,
        desk.taken_at,
        [each for each in acts if each.is_break_glass],
        sorted(cases, key=lambda each: each.due_at or desk.taken_at),
        sorted((each for each in desk.feeds if each.held_at), key=lambda each: each.held_at or desk.taken_at),
        [each for each in acts if each.verb != VERB],
        sorted(open_days, key=lambda each: each.next_at or desk.taken_at),
    )


def acknowledge(connection: Connection, found: Handover, actor: Actor, reason: str) -> None:
    """The next shift has read it. Commits: an act of its own, with an intent and an outcome."""
    counts = {"cases": len(found.cases), "holds": len(found.holds), "acts": len(found.acts)}
    with acting(connection, Act(VERB, actor, reason, arguments={"since": found.since.isoformat(), **counts})):
        pass  # the line is all that it does


HEADINGS = ("break-glass", "cases", "holds", "acts", "watch")


def sections(found: Handover, language: str, zone: tzinfo) -> Mapping[str, Sequence[str]]:
    """Each part as sentences of a language; the keys are `HEADINGS`."""

    def said(why: Why) -> str:
        return sentence(why, language, zone)

    return {
        "break-glass": [said(act(each)) for each in found.break_glass],
        "cases": [f"{case(each, language)} {said(each.why)}" for each in found.cases],
        "holds": [said(hold(each, found.until)) for each in found.holds],
        "acts": [said(act(each)) for each in found.acts],
        "watch": [f"{case(each, language)} {said(each.next or each.why)}" for each in found.watch],
    }


def case(each: FeedDay, language: str) -> str:
    """`fx 2026-10-30 · 미도착.`"""
    late = each.state is State.ABSENT and "late_minutes" in each.why.parameters
    return f"{each.feed} {each.base_date} ·" + ("" if late else f" {state_word(each.state, language)}.")


def act(each: JournalLine) -> Why:
    """One act as a sentence."""
    about: dict[str, str | datetime | None] = {"at": each.at, "who": each.who, "verb": each.verb, "feed": each.feed}
    about["reason"] = each.reason
    if each.is_break_glass:
        return Why("handover-break-glass", {**about, "ticket": each.ticket})
    return Why("handover-act", {**about, "outcome": each.outcome})


def hold(each: FeedState, now: datetime) -> Why:
    """One hold as a sentence, with its owner and its age."""
    age = max((now - each.held_at) // MINUTE, 0) if each.held_at else None
    return Why(
        "handover-hold",
        {"feed": each.feed, "by": each.held_by, "age_minutes": age, "at": each.held_at, "reason": each.held_reason},
    )
