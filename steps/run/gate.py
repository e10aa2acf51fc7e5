"""May this run work now? A pure function: facts go in, a refusal or None comes out."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import business_day
from catalog import Feed, Policy
from ledger.control import Control
from steps.run.exits import Misconfigured
from steps.run.status import Status


@dataclass(frozen=True)
class Refusal:
    """The status with which a run leaves at once, and why."""

    status: Status
    reason: str


def refusal(control: Control, stage: str, now: datetime) -> Refusal | None:
    """Why a stage of this feed may not move anything; None: it may.

    A hold comes from a person, a block from a fault, a wait from a partner.
    """
    if control.held_at:
        return Refusal(Status.HELD, f"held by {control.held_by}: {control.held_reason}; `feedfall free` lifts it")
    if control.blocked_at:
        what = f"{control.blocked_stage} ended with {control.blocked_code}: {control.blocked_reason}"
        return Refusal(Status.BLOCKED, f"{what}; `feedfall free` lifts it")
    if stage == "relay" and control.wait_until and control.wait_until > now:
        return Refusal(
            Status.WAITING, f"the partner's quota is used up until {control.wait_until:%Y-%m-%d %H:%M:%S %Z}"
        )
    return None


def today(feed: Feed, now: datetime) -> date:
    """The base date of a request that names none: the date in the feed's zone."""
    return now.astimezone(ZoneInfo(feed.zone)).date()


def judge(calendar: business_day.Calendar, base_date: date, policy: Policy) -> date | None:
    """The base date to request: itself on an open day, otherwise by the policy; None: no request."""
    try:
        return business_day.shift(calendar, base_date, policy)
    except business_day.NotCovered as error:
        raise Misconfigured(f"{error}. Extend the calendar's table, or order with --policy=OrderAnyway") from error
