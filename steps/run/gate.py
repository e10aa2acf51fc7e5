"""May this run work now? Pure: what is known goes in, a verdict comes out."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import business_day
from catalog import Feed, Policy
from ledger.control import Control
from steps.run.exits import Misconfigured


@dataclass(frozen=True)
class Verdict:
    """OPEN, or the status with which the run leaves at once, and why."""

    status: str
    reason: str | None = None

    @property
    def opens(self) -> bool:
        return self.status == "OPEN"


OPEN = Verdict("OPEN")


def admit(control: Control, stage: str, now: datetime) -> Verdict:
    """May a stage of this feed move anything? A hold is a person's word, a block a fault's, a wait a partner's."""
    if control.held_at:
        return Verdict("HELD", f"held by {control.held_by}: {control.held_reason}; `feedfall free` lifts it")
    if control.blocked_at:
        what = f"{control.blocked_stage} ended with {control.blocked_code}: {control.blocked_reason}"
        return Verdict("BLOCKED", f"{what}; `feedfall free` lifts it")
    if stage == "relay" and control.wait_until and control.wait_until > now:
        return Verdict("WAITING", f"the partner's quota is used up until {control.wait_until:%Y-%m-%d %H:%M:%S %Z}")
    return OPEN


def today(feed: Feed, now: datetime) -> date:
    """The base date of an order that names none: the date where the feed lives."""
    return now.astimezone(ZoneInfo(feed.zone)).date()


def judge(calendar: business_day.Calendar, base_date: date, policy: Policy) -> date | None:
    """The base date that is ordered: itself on an open day, otherwise by the policy; None: not at all."""
    try:
        return business_day.shift(calendar, base_date, policy)
    except business_day.NotCovered as error:
        raise Misconfigured(f"{error}. Extend the calendar's table, or order with --policy=OrderAnyway") from error
