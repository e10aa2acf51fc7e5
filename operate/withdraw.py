"""withdraw (주문취소): take requests back that have no answer. Called by `feedfall withdraw`.

    recorded, kept, sent or deferred ─▶ withdrawn     pub does not send it, relay does not ask the partner for it
    answered                         ─▶ stays         rows are rows: they are loaded as ever

A request that is at the partner's at this very moment may be answered all the same: its answer is loaded, and the
withdrawal is said to be overtaken. `feedfall submit --rerun` requests the date again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from catalog import Feed
from ledger import journal, request
from ledger.database import Connection
from ledger.errors import translated
from ledger.request import Ordered
from steps.run.exits import Misconfigured


@dataclass(frozen=True)
class Withdrawal:
    """One request of the date. `now`: it was withdrawn now; else `words` say why not, or by whom before."""

    seq: int | None
    now: bool
    words: str


def withdraw(connection: Connection, feed: Feed, day: date, seq: int | None, by: str, reason: str) -> list[Withdrawal]:
    """Withdraw a date's requests, or the one of that seq. The caller commits. Raises Misconfigured."""
    found = request.fetch_of_date(connection, feed.name, day, seq)
    if not found:
        which = f" seq {seq}" if seq else ""
        raise Misconfigured(f"{feed.name} has no request of {day}{which}: nothing to withdraw")
    with translated():
        taken = request.withdraw(connection, [each.correlation_id for each in found], by, reason)
        details = [_detail(each) for each in found if each.correlation_id in taken]
        journal.write_each(connection, "withdraw", feed.name, by, reason, details)
    after = request.fetch_of_date(connection, feed.name, day, seq)  # an answer may have come between the two
    return [_said(feed, each, now=each.correlation_id in taken) for each in after]


def _said(feed: Feed, each: Ordered, *, now: bool) -> Withdrawal:
    if now:
        return Withdrawal(each.seq, now, _outlook(feed, each))
    if each.withdrawn_at:
        end = "; its answer came all the same" if each.answered_at else ""
        return Withdrawal(each.seq, now, f"already withdrawn by {each.withdrawn_by}{end}")
    return Withdrawal(each.seq, now, "it is answered: its rows stay")


def _outlook(feed: Feed, each: Ordered) -> str:
    """What may still happen."""
    if not each.sent_at:
        return "it was not sent, and is not sent any more"
    if feed.partner:
        return "relay does not send it any more; if the partner has it just now, its answer is loaded as ever"
    return "it was sent: if the API solution answers it, its rows are loaded as ever"


def _detail(each: Ordered) -> dict[str, object]:
    return {
        "correlation_id": str(each.correlation_id),
        "base_date": each.base_date.isoformat(),
        "seq": each.seq,
        "was": each.status,
    }
