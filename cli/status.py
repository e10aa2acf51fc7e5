"""`feedfall runs`, `lag`, `newest` and `absent`: what ran, what is behind, what was loaded, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import operate.lag
from cli import show
from cli.options import AnyFeed, FeedName, Json, Limit, load_feed, load_feeds, open_ledger
from ledger.absence import Report
from ledger.run import Run
from operate.status import absences, latest_runs, newest_rows


def runs(feed: AnyFeed = None, limit: Limit = 20, *, as_json: Json = False) -> None:
    """Show the newest runs: what each did, and how it ended."""
    with open_ledger() as (_, connection):
        found = latest_runs(connection, load_feed(feed) if feed else None, limit)
    if as_json:
        return show.as_json(found)
    columns = ("run", "feed", "stage", "workflow", "partitions", "status", "exit", "started", "took s", "counts")
    return show.table(columns, [_line(each) for each in found], empty="No run yet.")


def lag(feed: AnyFeed = None, *, as_json: Json = False) -> None:
    """Show how far each partition's checkpoint is behind the end of its log."""
    with open_ledger() as (environment, connection):
        found = operate.lag.lag(connection, environment, load_feeds(feed))
    if as_json:
        return show.as_json(found)
    columns = ("feed", "stage", "topic", "partition", "checkpoint", "committed end", "high watermark", "lag")
    return show.table(columns, [tuple(vars(line).values()) for line in found], empty="No partition was read yet.")


def newest(feed: FeedName, limit: Limit = 20, *, as_json: Json = False) -> None:
    """Show a feed's newest rows, as they were loaded."""
    wanted = load_feed(feed)
    with open_ledger(needs_kafka=False) as (_, connection):
        found = newest_rows(connection, wanted, limit)
    if as_json:
        return show.as_json([dict(zip(found.columns, row, strict=True)) for row in found.rows])
    return show.table(found.columns, found.rows, empty=f"{wanted.table} is empty.")


def absent(*, as_json: Json = False) -> None:
    """List what was due in the last 30 days and is missing: what was found instead, and the state of its webhook."""
    with open_ledger(needs_kafka=False) as (_, connection):
        found = absences(connection, datetime.now(UTC))
    if as_json:
        return show.as_json(found)
    columns = ("feed", "base date", "due", "found", "reported", "webhook", "words")
    lines = [(a.subject, a.base_date, a.due_at, a.found, a.reported_at, _delivery(a), a.words) for a in found]
    return show.table(columns, lines, empty="Nothing that was due is absent.")


def _line(each: Run) -> tuple[object, ...]:
    who = (each.id, each.feed, each.stage, each.name, partition_ranges(each.partitions or []))
    return (*who, each.status, each.exit_code, each.started_at, _took(each), _counts(each))


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
    return " ".join(f"{name}={value}" for name, value in each.counts.items() if value) or (each.reason or "")


def _delivery(each: Report) -> str:
    if each.tries is None:
        return "none"
    if each.delivered_at:
        return "delivered"
    return f"{'given up' if each.given_up_at else 'waits'}: {each.trouble or 'not tried yet'}"
