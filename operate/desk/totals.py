"""What every database has counted, and how far the feeds' calendars reach: what metrics need beside the Desk.

Counting.read ──▶ Numbers      every 15 s, in a thread of its own: it may take longer than a Desk
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from business_day import NONE, Calendar
from ledger import databases
from ledger.errors import Failure
from ledger.totals import Count, Totals
from operate.desk.read import open_calendar
from steps.run import settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from catalog import Feed
    from ledger.database import Connection


@dataclass(frozen=True)
class Numbers:
    """What a database that is away counted last stays; one that never answered has none."""

    totals: Sequence[Totals] = ()
    covered: Mapping[str, datetime] = field(default_factory=dict)
    """When each calendar's last day ends. A calendar that cannot be opened keeps the moment that was known."""


class Counting:
    """Counts again and again. One caller at a time."""

    def __init__(self, feeds: Sequence[Feed], environ: Mapping[str, str] = os.environ) -> None:
        self._feeds, self._environ = feeds, environ
        self._counts = {name: Count(name) for name in sorted({feed.database for feed in feeds})}
        self._totals: dict[str, Totals] = {}
        self._covered: dict[str, datetime] = {}

    def read(self) -> Numbers:
        """Count now. Raises no Failure: the Desk says which database is away, and why."""
        for name, count in self._counts.items():
            try:
                session = databases.open_session(self._environ, "feedfall metrics", database=name, autocommit=True)
                with closing(session) as connection:
                    self._totals[name] = count.read(connection)
                    self._covered |= self._ends(name, connection)
            except Failure:
                continue
        return Numbers(tuple(self._totals.values()), dict(self._covered))

    def _ends(self, database: str, connection: Connection) -> Iterator[tuple[str, datetime]]:
        source = settings.calendars(self._environ, database)
        used = {feed.calendar for feed in self._feeds if feed.database == database}
        for name in used - {NONE}:  # which has no end
            calendar = open_calendar(connection, name, source)
            if isinstance(calendar, Calendar):
                after = calendar.covers[1] + timedelta(days=1)
                yield name, datetime.combine(after, time(), ZoneInfo(calendar.zone))
