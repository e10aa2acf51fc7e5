"""What the ledger knows of rows that were expected, and which absences were reported. `steps/watch/absence.py` judges.

not reported ──report──▶ open ──close──▶ closed       each of the two happens once, whoever comes first
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from psycopg.sql import Identifier

from catalog import Feed
from ledger import acceptance, control, journal, notice
from ledger.acceptance import Acceptance
from ledger.control import Control
from ledger.database import Connection, fetch_all, fetch_one, one, rows, run
from ledger.errors import translated
from ledger.statements import with_names


@dataclass(frozen=True)
class RequestFacts:
    """One request, or what its response alone tells. `settled`: rows with a fate; `quarantined`: rows set aside."""

    status: str
    reason: str | None = None
    count: int | None = None
    settled: int = 0
    quarantined: int = 0
    new_at: datetime | None = None
    sent_at: datetime | None = None
    answered_at: datetime | None = None
    base_date: date | None = None
    retry_at: datetime | None = None
    retry_reason: str | None = None
    """Where relay has deferred it: until when, and why."""
    feed: str = ""
    seq: int | None = None
    discarded: int = 0
    """Rows that a person has discarded."""
    complete_at: datetime | None = None
    """When the last of its rows got a fate."""
    tries: int = 0
    """How often it was deferred."""
    last_run: int | None = None
    """The run that recorded the latest of its rows."""
    kept_at: datetime | None = None
    """Ordered while the feed was held or blocked: it is sent when it is free."""
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None
    withdrawn_reason: str | None = None


@dataclass(frozen=True)
class Stuck:
    """A lease that ran out while its holder had it."""

    stage: str
    run: str | None
    expired_at: datetime


@dataclass(frozen=True)
class Facts:
    """All that is known of one base date of a feed. `requests`: the highest seq first."""

    requests: Sequence[RequestFacts] = ()
    in_table: bool | None = None
    """Does the feed's table hold rows of it? None: the table cannot tell."""
    dated: bool = False
    """Has a response of this feed ever carried its base date?"""
    quarantined: int = 0
    """Rows of the feed that were set aside since the base date began, whatever they belong to."""
    control: Control = field(default_factory=Control)
    stuck: Stuck | None = None
    accepted: Acceptance | None = None
    """A person's decision that the base date counts as done without its rows."""


@dataclass(frozen=True)
class Report:
    """An absence that was reported and is open, and the state of its webhook, where there is one."""

    subject: str
    base_date: date
    due_at: datetime
    found: str
    words: str
    reported_at: datetime
    tries: int | None = None
    trouble: str | None = None
    delivered_at: datetime | None = None
    given_up_at: datetime | None = None


def start_watching(connection: Connection, feeds: Sequence[str], now: datetime) -> dict[str, datetime]:
    """Since when each feed is watched: from now on, where it was not yet. Commits."""
    with translated():
        run(connection, "absence.watch", feeds=list(feeds), now=now)
        since = dict(rows(connection, "absence.since", feeds=list(feeds)))
        connection.commit()
    return since


def fetch_facts(connection: Connection, feed: Feed, days: Mapping[date, datetime]) -> dict[date, Facts]:
    """What is known of each base date; `days` says when each began, where the feed lives."""
    with translated():
        requests = fetch_all(connection, RequestFacts, "absence.requests", feed=feed.name, days=list(days))
        about: dict[str, Any] = {
            "dated": one(connection, "absence.dated", feed=feed.name)[0],
            "control": control.state(connection, feed.name),
            "stuck": fetch_one(connection, Stuck, "absence.stuck", feed=feed.name),
        }
        accepted = acceptance.in_force(connection, feed.name, list(days))
        return {
            day: Facts(
                [each for each in requests if each.base_date == day],
                _in_table(connection, feed, day),
                quarantined=one(connection, "absence.quarantined", feed=feed.name, since=began)[0],
                accepted=accepted.get(day),
                **about,
            )
            for day, began in days.items()
        }


def report(connection: Connection, absent: Report, body: Mapping[str, Any] | None, now: datetime) -> bool:
    """Report it, in the journal and by webhook (`body`), and commit; False when it was reported before."""
    with translated():
        about = {"subject": absent.subject, "base_date": absent.base_date, "due_at": absent.due_at}
        first = run(connection, "absence.report", **about, found=absent.found, words=absent.words) == 1
        if first:
            _write(connection, "absent", absent, absent.words, body, now)
        connection.commit()
    return first


def close(
    connection: Connection,
    absent: Report,
    words: str,
    body: Mapping[str, Any] | None,
    now: datetime,
    verb: str = "arrived",
) -> bool:
    """Its rows have come, or it is `accepted`: report that likewise, and commit; False when it was closed before."""
    with translated():
        first = run(connection, "absence.close", subject=absent.subject, base_date=absent.base_date) == 1
        if first:
            _write(connection, verb, absent, words, body, now)
        connection.commit()
    return first


def fetch_open(connection: Connection, since: date) -> list[Report]:
    """What was reported, of base dates since then, and has not come."""
    with translated():
        return fetch_all(connection, Report, "absence.open", since=since)


def _in_table(connection: Connection, feed: Feed, day: date) -> bool | None:
    """Looked up only where an index answers: the sweep does it every minute."""
    if feed.key[:1] != ("base_date",):
        return None
    row = connection.execute(with_names("absence.rows", table=Identifier(feed.table)), {"day": day}).fetchone()
    return bool(row and row[0])


def _write(
    connection: Connection, verb: str, absent: Report, words: str, body: Mapping[str, Any] | None, now: datetime
) -> None:
    """Into the journal, and a notice for the webhook."""
    detail = {"base_date": absent.base_date.isoformat(), "due_at": absent.due_at.isoformat(), "found": absent.found}
    feed = None if " " in absent.subject else absent.subject
    journal.write(connection, verb, feed, "sweep", words, **detail)
    if body is not None:
        notice.write(connection, absent.subject, absent.base_date, body, now)
