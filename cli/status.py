"""The operator's desk: what ran, what waits, what is broken, and stopping or freeing a feed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import typer

from catalog import Feed
from cli import show
from cli.options import AnyFeed, By, FeedName, Json, Limit, Reason, chosen, known, ledger
from ledger import absence, control, rows, run, verify
from ledger.database import Connection
from steps.drain.kafka import Cluster
from steps.run.settings import Settings
from steps.watch.absence import ARRIVALS


def runs(feed: AnyFeed = None, limit: Limit = 20, *, as_json: Json = False) -> None:
    """Show the newest runs: what each did, and how it ended."""
    with ledger() as (_, connection):
        found = run.latest(connection, feed and known(feed).name, limit)
    if as_json:
        return show.as_json(found)
    columns = ("run", "feed", "stage", "workflow", "status", "exit", "started", "took s", "counts")
    lines = [(r.id, r.feed, r.stage, r.name, r.status, r.exit_code, r.started_at, _took(r), _counts(r)) for r in found]
    return show.table(columns, lines, empty="No run yet.")


def lag(feed: AnyFeed = None, *, as_json: Json = False) -> None:
    """Show how far each partition's checkpoint is behind the log's end."""
    with ledger() as (environment, connection):
        lines = [line for each in chosen(feed) for line in _lag(connection, environment, each)]
    if as_json:
        return show.as_json(lines)
    columns = ("feed", "stage", "topic", "partition", "checkpoint", "committed end", "high watermark", "lag")
    return show.table(columns, [tuple(vars(line).values()) for line in lines], empty="No partition was read yet.")


def hold(feed: FeedName, reason: Reason, by: By) -> None:
    """Stop a feed: when this returns, nothing of it commits any more. Its messages stay in Kafka."""
    with ledger() as (_, connection):
        control.hold(connection, known(feed).name, by, reason)
    typer.echo(f"{feed} is held by {by}: {reason}. `feedfall free {feed}` lets it go on.")


def free(feed: FeedName, reason: Reason, by: By) -> None:
    """Let a held or blocked feed go on; the next doorbell or the sweep starts it."""
    with ledger() as (_, connection):
        lifted = control.free(connection, known(feed).name, by, reason)
    typer.echo(f"{feed} is free." if lifted else f"{feed} was neither held nor blocked.")


def newest(feed: FeedName, limit: Limit = 20, *, as_json: Json = False) -> None:
    """Show a feed's newest rows, as they were loaded."""
    asked = known(feed)
    with ledger(needs_kafka=False) as (_, connection):
        found = rows.newest(connection, asked, limit)
    columns = (*asked.columns, "sent", "seq", "run")
    if as_json:
        return show.as_json([dict(zip(columns, row, strict=True)) for row in found])
    return show.table(columns, found, empty=f"{asked.table} is empty.")


def absent(*, as_json: Json = False) -> None:
    """List what was due in the last 30 days and is not here: what was found instead, and how its webhook fares."""
    with ledger(needs_kafka=False) as (_, connection):
        found = absence.fetch_open(connection, (datetime.now(UTC) - ARRIVALS).date())
    if as_json:
        return show.as_json(found)
    columns = ("feed", "base date", "due", "found", "reported", "webhook", "words")
    lines = [(a.subject, a.base_date, a.due_at, a.found, a.reported_at, _told(a), a.words) for a in found]
    return show.table(columns, lines, empty="Nothing that was due is absent.")


@dataclass(frozen=True)
class Lag:
    """One partition: its checkpoint and its ends. `lag` counts an open transaction's records too."""

    feed: str
    stage: str
    topic: str
    partition: int
    checkpoint: int
    committed: int
    high: int
    lag: int


def _lag(connection: Connection, environment: Settings, feed: Feed) -> list[Lag]:
    cluster = Cluster(environment)
    lines = verify.lines(connection, feed)
    topics = cluster.topics({line.topic for line in lines})
    ends = {name: cluster.ends(topic) for name, topic in topics.items()}
    return [
        Lag(feed.name, x.stage, x.topic, x.partition, x.next_offset, end.committed, end.high, end.high - x.next_offset)
        for x in lines
        if not x.closed and (end := ends.get(x.topic, {}).get(x.partition))
    ]


def _took(each: run.Run) -> float | None:
    return (each.ended_at - each.started_at).total_seconds() if each.ended_at else None


def _counts(each: run.Run) -> str:
    return " ".join(f"{name}={value}" for name, value in each.counts.items() if value) or (each.reason or "")


def _told(each: absence.Report) -> str:
    if each.tries is None:
        return "none"
    if each.delivered_at:
        return "delivered"
    return f"{'given up' if each.given_up_at else 'waits'}: {each.trouble or 'not tried yet'}"
