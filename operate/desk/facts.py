"""What is known of one base date of a feed: values for `why`, cut out of what one database knows at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ledger.absence import Facts
from ledger.control import Control

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from catalog import Feed
    from ledger.desk import DeskRun, Ledger, Lock


@dataclass(frozen=True)
class DayFacts:
    """One base date of a feed at one moment, and what stands in its way."""

    base_date: date
    facts: Facts = field(default_factory=Facts)
    came_at: datetime | None = None
    """When rows of it came into the feed's table, where no request tells."""
    last_arrival_at: datetime | None = None
    """When rows of the feed came last, of whatever base date."""
    runs: Sequence[DeskRun] = ()
    """The feed's runs that are at work."""
    locks: Sequence[Lock] = ()
    swept_at: datetime | None = None
    """When a sweep came to its end last."""


def facts_of(ledger: Ledger, feed: Feed, day: date) -> DayFacts:
    """What the ledger knows of one base date of a feed."""
    key = (feed.name, day)
    return DayFacts(
        day,
        Facts(
            ledger.requests.get(key, ()),
            key in ledger.in_table if key in ledger.asked_table else None,
            feed.name in ledger.dated,
            ledger.unread.get(key, 0),
            ledger.controls.get(feed.name, Control()),
            ledger.stuck.get(feed.name),
            ledger.accepted.get(key),
        ),
        ledger.in_table.get(key),
        ledger.arrivals.get(feed.name),
        [each for each in ledger.runs.get(feed.name, ()) if ledger.is_at_work(each)],
        [each for each in ledger.locks if each.feed == feed.name],
        ledger.sweep.ended_at if ledger.sweep else None,
    )
