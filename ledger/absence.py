"""What the ledger knows of rows that were expected, and which absences were reported. `steps/watch/absence.py` judges.

not reported ──report──▶ open ──close──▶ closed       each of the two happens once, whoever comes first
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from psycopg.sql import Identifier

from catalog import Feed
from ledger import control, journal, notice
from ledger.control import Control
from ledger.database import Connection, maybe, one, rows, run
from ledger.errors import translated
from ledger.statements import with_names


@dataclass(frozen=True)
class Answer:
    """One request, ordered or only seen answered. `settled`: rows with a fate; `quarantined`: those put aside."""

    status: str
    reason: str | None = None
    count: int | None = None
    settled: int = 0
    quarantined: int = 0
    new_at: datetime | None = None
    sent_at: datetime | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True)
class Stuck:
    """A lease that ran out in its holder's hands."""

    stage: str
    run: str | None
    expired_at: datetime


@dataclass(frozen=True)
class Facts:
    """All that is known of one base date of a feed. `answers`: the newest try first."""

    answers: Sequence[Answer] = ()
    in_table: bool | None = None
    """Does the feed's table hold rows of it? None: the table cannot tell."""
    dated: bool = False
    """Has an answer of this feed ever said its base date?"""
    quarantined: int = 0
    """Rows of the feed that were put aside since the base date began, whatever they belong to."""
    control: Control = field(default_factory=Control)
    stuck: Stuck | None = None


@dataclass(frozen=True)
class Report:
    """An absence that was reported and is open; how far the webhook that tells of it has come, where there is one."""

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


def watched(connection: Connection, feeds: Sequence[str], now: datetime) -> dict[str, datetime]:
    """Since when each feed is watched: from now on, where nobody did. Commits."""
    with translated():
        run(connection, "absence.watch", feeds=list(feeds), now=now)
        found = dict(rows(connection, "absence.since", feeds=list(feeds)))
        connection.commit()
    return found


def facts(connection: Connection, feed: Feed, days: Mapping[date, datetime]) -> dict[date, Facts]:
    """What is known of each base date; `days` says when each began, where the feed lives."""
    with translated():
        answers: dict[date, list[Answer]] = {day: [] for day in days}
        for day, *found in rows(connection, "absence.requests", feed=feed.name, days=list(days)):
            answers[day].append(Answer(*found))
        stuck = maybe(connection, "absence.stuck", feed=feed.name)
        about: dict[str, Any] = {
            "dated": one(connection, "absence.dated", feed=feed.name)[0],
            "control": control.state(connection, feed.name),
            "stuck": Stuck(*stuck) if stuck else None,
        }
        return {
            day: Facts(
                answers[day],
                _in_table(connection, feed, day),
                quarantined=one(connection, "absence.quarantined", feed=feed.name, since=began)[0],
                **about,
            )
            for day, began in days.items()
        }


def report(connection: Connection, found: Report, body: Mapping[str, Any] | None, now: datetime) -> bool:
    """Report it, in the journal and to the outside (`body`), and commit; False when somebody has."""
    with translated():
        about = {"subject": found.subject, "base_date": found.base_date, "due_at": found.due_at}
        first = run(connection, "absence.report", **about, found=found.found, words=found.words) == 1
        if first:
            _tell(connection, "absent", found, found.words, body, now)
        connection.commit()
    return first


def close(connection: Connection, found: Report, words: str, body: Mapping[str, Any] | None, now: datetime) -> bool:
    """Its rows have come: say so likewise, and commit; False when somebody has."""
    with translated():
        first = run(connection, "absence.close", subject=found.subject, base_date=found.base_date) == 1
        if first:
            _tell(connection, "arrived", found, words, body, now)
        connection.commit()
    return first


def open_reports(connection: Connection, since: date) -> list[Report]:
    """What was reported, of base dates since then, and has not come."""
    with translated():
        return [Report(*found) for found in rows(connection, "absence.open", since=since)]


def _in_table(connection: Connection, feed: Feed, day: date) -> bool | None:
    """Asked only where an index answers: the sweep asks every minute."""
    if feed.key[:1] != ("base_date",):
        return None
    found = connection.execute(with_names("absence.rows", table=Identifier(feed.table)), {"day": day}).fetchone()
    return bool(found and found[0])


def _tell(
    connection: Connection, verb: str, found: Report, words: str, body: Mapping[str, Any] | None, now: datetime
) -> None:
    detail = {"base_date": found.base_date.isoformat(), "due_at": found.due_at.isoformat(), "found": found.found}
    feed = None if " " in found.subject else found.subject
    journal.write(connection, verb, feed, "sweep", words, **detail)
    if body is not None:
        notice.write(connection, found.subject, found.base_date, body, now)
