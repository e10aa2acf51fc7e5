"""`feedfall runs`, `lag`, `newest` and `absent`: what ran, what is behind, what was loaded, what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli import show
from cli.desk_options import Lang, day_json, said
from cli.options import (
    AnyFeed,
    FeedName,
    Json,
    Limit,
    OneDatabase,
    aside,
    in_each_database,
    load_feed,
    load_feeds,
    open_ledger,
)
from ledger.absence import Report
from ledger.databases import variable
from ledger.run import Run
from operate.desk.words import state_word
from operate.status import Absence, absences, latest_runs, newest_rows, sweep_alarm

if TYPE_CHECKING:
    from catalog import Feed
    from ledger.database import Connection
    from steps.run.settings import Settings

T = TypeVar("T")
Ask = Callable[["Settings", "Connection", "Sequence[Feed]"], T]


def runs(
    feed: AnyFeed = None,
    limit: Limit = 20,
    *,
    sweeps: Annotated[bool, typer.Option("--sweeps", help="The sweeps too: one a minute.")] = False,
    database: OneDatabase = None,
    as_json: Json = False,
) -> None:
    """Show the newest runs: what each did, and how it ended."""
    answers = in_each_database(
        load_feeds(feed, database),
        _warned(lambda _, connection, feeds: latest_runs(connection, feeds[0] if feed else None, limit, sweeps=sweeps)),
        needs_kafka=False,
    )
    found = [(where, each) for where, its in answers.found.items() for each in its]
    found = sorted(found, key=lambda each: each[1].started_at, reverse=True)[:limit]
    if as_json:
        show.as_json([{"database": where, **vars(each)} for where, each in found])
        return answers.check()
    what = ("run", "feed", "stage", "base date", "workflow", "partitions")
    columns = (*what, "status", "exit", "started", "took s", "counts", "reason")
    lines = [_line(each) for _, each in found]
    if len(answers.found) > 1:  # each ledger counts its own runs
        numbered = [(where, *line) for (where, _), line in zip(found, lines, strict=True)]
        show.table(("database", *columns), numbered, empty="No run yet.")
    else:
        show.table(columns, lines, empty="No run yet.")
    return answers.check()


def lag(feed: AnyFeed = None, *, database: OneDatabase = None, as_json: Json = False) -> None:
    """Show how far each partition's checkpoint is behind the end of its log."""
    import operate.lag  # noqa: PLC0415 -- it alone reads Kafka

    answers = in_each_database(
        load_feeds(feed, database),
        _warned(lambda environment, connection, feeds: operate.lag.lag(connection, environment, feeds)),
    )
    found = sorted(chain(*answers.found.values()), key=lambda line: line.feed)
    if as_json:
        show.as_json(found)
        return answers.check()
    columns = ("feed", "stage", "topic", "partition", "checkpoint", "committed end", "high watermark", "lag")
    show.table(columns, [tuple(vars(line).values()) for line in found], empty="No partition was read yet.")
    return answers.check()


def newest(feed: FeedName, limit: Limit = 20, *, as_json: Json = False) -> None:
    """Show a feed's newest rows, as they were loaded."""
    wanted = load_feed(feed)
    with open_ledger(wanted, needs_kafka=False) as (_, connection):
        found = newest_rows(connection, wanted, limit)
    if as_json:
        return show.as_json([dict(zip(found.columns, row, strict=True)) for row in found.rows])
    return show.table(found.columns, found.rows, empty=f"{wanted.table} is empty.")


def absent(*, lang: Lang = "en", database: OneDatabase = None, as_json: Json = False) -> None:
    """List what was due in the last 30 days and is missing: why that is so now, and what was reported when."""
    now = datetime.now(UTC)
    answers = in_each_database(
        load_feeds(None, database),
        _warned(lambda its, connection, feeds: absences(connection, feeds, its.calendars, now)),
        needs_kafka=False,
    )
    found = list(chain(*answers.found.values()))
    if as_json:
        show.as_json([{**vars(a.report), "now": day_json(a.now, lang) if a.now else None} for a in found])
        return answers.check()
    columns = ("feed", "base date", "due", "now", "why", "reported", "as", "webhook")
    lines = [_absent(each, lang) for each in found]
    show.table(columns, lines, empty="Nothing that was due is absent.")
    return answers.check()


def _absent(each: Absence, lang: str) -> tuple[object, ...]:
    """Its words are those of this moment; what was reported then stands beside them."""
    report, now = each.report, each.now
    current = (state_word(now.state, lang), said(now.why, lang)) if now else (report.found, report.words)
    then = (report.reported_at, report.found, _delivery(report))
    return (report.subject, report.base_date, report.due_at, *current, *then)


def _warned(ask: Ask[T]) -> Ask[T]:
    """Ask, and say on stderr when no sweep swept well: what is shown here may be incomplete then."""

    def both(environment: Settings, connection: Connection, feeds: Sequence[Feed]) -> T:
        if words := sweep_alarm(connection):
            aside(f"SWEEP ({variable(feeds[0].database)}): {words}.")
        return ask(environment, connection, feeds)

    return both


def _line(each: Run) -> tuple[object, ...]:
    who = (each.id, each.feed, each.stage, each.base_dates, each.name, partition_ranges(each.partitions or []))
    return (*who, each.status, each.exit_code, each.started_at, _took(each), _counts(each), each.reason)


def partition_ranges(numbers: Sequence[int]) -> str:
    """`0-2,5`: numbers in order, and those that follow one another as one range."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{each[0]}-{each[-1]}" if len(each) > 1 else f"{each[0]}" for each in runs)


def _took(each: Run) -> float | None:
    return (each.ended_at - each.started_at).total_seconds() if each.ended_at else None


def _counts(each: Run) -> str:
    return " ".join(f"{name}={value}" for name, value in each.counts.items() if value and name != "date")


def _delivery(each: Report) -> str:
    if each.tries is None:
        return "none"
    if each.delivered_at:
        return "delivered"
    return f"{'given up' if each.given_up_at else 'waits'}: {each.trouble or 'not tried yet'}"
