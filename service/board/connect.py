"""Fills the board's sources from the ledgers: the desk by one thread, the other pages when somebody opens them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import business_day
import operate.desk.handover as shift
from catalog import find
from ledger import databases
from ledger.audit import Filter
from ledger.database import session
from operate import approval
from operate.desk import audit, words
from operate.desk.read import Reader
from service.board.html import ZONE
from service.board.sources import Handover, PendingApproval, Sources
from service.board.verbs import Verbs
from service.snapshot import Current as Calendars
from steps.run import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from catalog import Feed
    from ledger.approval import Approval
    from ledger.database import Connection
    from operate.desk.audit import JournalLine
    from service.board.picture import Current
    from service.board.sources import Language

T = TypeVar("T")


@dataclass(frozen=True)
class Ledgers:
    """The databases of the feeds. A page that asks them waits for the slowest; one that is away ends it with 503."""

    environ: Mapping[str, str]
    feeds: Sequence[Feed]

    def each(self, ask: Callable[[str, Connection], T]) -> list[T]:
        """Ask each database. Raises Failure."""
        found = []
        for name in sorted({feed.database for feed in self.feeds}):
            with session(databases.url(self.environ, database=name), "feedfall board") as connection:
                found.append(ask(name, connection))
        return found

    def audit(self, feed: str | None, limit: int) -> Sequence[JournalLine]:
        """The newest lines of the journals."""
        wanted = Filter(feed, limit=limit)
        found = self.each(lambda name, connection: audit.fetch_lines(connection, name, wanted))
        return sorted(chain(*found), key=lambda each: each.at, reverse=True)[:limit]

    def approvals(self) -> Sequence[PendingApproval]:
        """What waits for a second person."""
        found = self.each(lambda name, connection: [pending(name, each) for each in approval.pending(connection)])
        return list(chain(*found))

    def handover(self, current: Current) -> Callable[[datetime, timedelta, Language], Handover]:
        """What the next shift must know, of the desk that the board has."""

        def report(now: datetime, _: timedelta, language: Language) -> Handover:
            desk = current.picture.desk
            starts = self.each(lambda _, connection: shift.since(connection, now))
            start = min(starts, default=now)
            lines = self.each(lambda name, connection: shift.fetch_lines(connection, name, start))
            found = shift.handover(desk, list(chain(*lines)), start) if desk else None
            parts = shift.sections(found, language, ZONE) if found else {}
            return Handover(start, now, {words.heading(name, language): each for name, each in parts.items()})

        return report


def pending(database: str, asked: Approval) -> PendingApproval:
    """An approval as the page shows it."""
    who = asked.asked_by if asked.asked_by == asked.asked_signed_in else asked.asked_signed_in
    times = (asked.asked_at, asked.expires_at)
    return PendingApproval(
        f"{database}:{asked.id}", asked.verb, asked.feed or "", who, *times, asked.reason, [asked.preview]
    )


def connect(environ: Mapping[str, str]) -> tuple[Sources, Ledgers]:
    """The sources of a board, without the handover: that needs the picture too. Raises Misconfigured."""
    packages = settings.packages(environ)
    feeds, unusable = find.usable(packages)
    for database in {feed.database for feed in feeds}:
        databases.url(environ, database=database)  # a miswritten one is a mistake now, not a database that is away
    reader, ledgers = Reader(feeds, environ), Ledgers(environ, feeds)
    sources = Sources(
        desk=reader.read,
        sentence=words.sentence,
        calendars=calendars_of(environ),
        acts=Verbs(environ),
        audit=ledgers.audit,
        approvals=ledgers.approvals,
        warnings=[f"{name}: {reason}" for name, reason in unusable.items()],
        argo_link=argo_link(environ),
    )
    return sources, ledgers


def calendars_of(environ: Mapping[str, str]) -> Calendars | None:
    """The calendars, where this domain is their home."""
    if environ.get("FEEDFALL_CALENDAR_URL") or not databases.is_set(environ):
        return None
    return Calendars(databases.url(environ), business_day.read_own(environ.get("FEEDFALL_CALENDARS", "")))


def argo_link(environ: Mapping[str, str]) -> Callable[[str], str]:
    """A Workflow's page in Argo's own UI: FEEDFALL_BOARD_ARGO_URL, as people reach it."""
    base, namespace = environ.get("FEEDFALL_BOARD_ARGO_URL", "").rstrip("/"), environ.get("ARGO_NAMESPACE", "")
    if not base.startswith(("https://", "http://")):
        return lambda _: ""
    return lambda name: f"{base}/workflows/{quote(namespace, safe='')}/{quote(name, safe='')}?tab=workflow"
