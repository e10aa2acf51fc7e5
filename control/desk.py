"""The operator's desk: what ran, what waits, what is broken, and stopping or freeing a feed."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from typing import Annotated, Any

import typer

import feeds
from control import show
from feeds.form import Feed
from ledger import control, quarantine, rows, run, verify
from ledger.database import Connection, session
from ledger.errors import LedgerBroken
from steps import settings
from steps.kafka import Cluster
from steps.settings import Settings

FeedName = Annotated[str, typer.Argument(help="The feed's name, such as fx.", metavar="FEED")]
AnyFeed = Annotated[str | None, typer.Argument(help="Only this feed; all of them if absent.", metavar="[FEED]")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the journal.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many lines.")]
By = Annotated[str, typer.Option(help="Who does it.", envvar="FEEDFALL_BY", default_factory=getpass.getuser)]


def runs(feed: AnyFeed = None, limit: Limit = 20, *, as_json: Json = False) -> None:
    """Show the newest runs: what each did, and how it ended."""
    with _ledger() as (_, connection):
        found = run.latest(connection, feed and _known(feed).name, limit)
    if as_json:
        return show.as_json(found)
    columns = ("run", "feed", "stage", "workflow", "status", "exit", "started", "took s", "counts")
    lines = [(r.id, r.feed, r.stage, r.name, r.status, r.exit_code, r.started_at, _took(r), _counts(r)) for r in found]
    return show.table(columns, lines, empty="No run yet.")


def lag(feed: AnyFeed = None, *, as_json: Json = False) -> None:
    """Show how far each partition's checkpoint is behind the log's end."""
    with _ledger() as (environment, connection):
        lines = [line for each in _chosen(feed) for line in _lag(connection, environment, each)]
    if as_json:
        return show.as_json(lines)
    columns = ("feed", "stage", "topic", "partition", "checkpoint", "committed end", "high watermark", "lag")
    return show.table(columns, [tuple(vars(line).values()) for line in lines], empty="No partition was read yet.")


def hold(feed: FeedName, reason: Reason, by: By) -> None:
    """Stop a feed: when this returns, nothing of it commits any more. Its messages stay in Kafka."""
    with _ledger() as (_, connection):
        control.hold(connection, _known(feed).name, by, reason)
    typer.echo(f"{feed} is held by {by}: {reason}. `feedfall free {feed}` lets it go on.")


def free(feed: FeedName, reason: Reason, by: By) -> None:
    """Let a held or blocked feed go on; the next doorbell or the sweep starts it."""
    with _ledger() as (_, connection):
        lifted = control.free(connection, _known(feed).name, by, reason)
    typer.echo(f"{feed} is free." if lifted else f"{feed} was neither held nor blocked.")


def verify_feed(feed: FeedName, *, as_json: Json = False) -> None:
    """Prove the ledger: every offset has one fate, and the rows are there. Exit 83 when it is broken."""
    with _ledger(needs_kafka=False) as (_, connection):
        account = verify.verify(connection, _known(feed))
    if as_json:
        show.as_json(account)
    else:
        show_account(account)
    if account.broken:
        raise LedgerBroken(f"the ledger of {feed} does not add up in {len(account.broken)} places")


def show_account(account: verify.Account) -> None:
    """The books, a line a partition, and what they come to."""
    columns = ("stage", "topic", "p", "from", "to", "spans", "records", "absent", "rows", "loaded", "superseded")
    lines = [tuple(vars(line).values()) for line in account.lines]
    show.table((*columns, "duplicate", "quarantined", "deferred"), lines, empty="Nothing was read yet.")
    for sentence in account.broken:
        typer.echo(f"BROKEN {sentence}")
    if not account.broken:
        offsets = sum(line.next_offset - line.first_offset for line in account.lines)
        typer.echo(f"Proven: each of {offsets:,} offsets has one fate.")


def newest(feed: FeedName, limit: Limit = 20, *, as_json: Json = False) -> None:
    """Show a feed's newest rows, as they were loaded."""
    known = _known(feed)
    with _ledger(needs_kafka=False) as (_, connection):
        found = rows.newest(connection, known, limit)
    columns = (*known.columns, "sent", "seq", "run")
    if as_json:
        return show.as_json([dict(zip(columns, row, strict=True)) for row in found])
    return show.table(columns, found, empty=f"{known.table} is empty.")


def quarantined(feed: AnyFeed = None, limit: Limit = 100, *, as_json: Json = False) -> None:
    """List the rows that wait for a person: where each came from, and what is wrong with it."""
    with _ledger(needs_kafka=False) as (_, connection):
        found = quarantine.worklist(connection, feed and _known(feed).name, limit)
    if as_json:
        return show.as_json(found)
    columns = ("feed", "topic", "partition", "offset", "row", "fate", "since", "reason", "value")
    lines = [(q.feed, q.topic, q.partition, q.offset, _row(q), q.fate, q.at, q.reason, q.value) for q in found]
    return show.table(columns, lines, empty="Quarantine is empty.")


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
        if (end := ends.get(x.topic, {}).get(x.partition))
    ]


class _ledger:  # noqa: N801 -- reads as what it is used for: `with _ledger()`
    """The settings, and a checked connection."""

    def __init__(self, *, needs_kafka: bool = True) -> None:
        self._environment = settings.read(stage="" if needs_kafka else "verify")
        self._session = session(self._environment.database_url, f"feedfall {getpass.getuser()}")

    def __enter__(self) -> tuple[Settings, Connection]:
        return self._environment, self._session.__enter__()

    def __exit__(self, *error: Any) -> bool | None:  # noqa: ANN401, PYI036 -- what `with` hands over
        return self._session.__exit__(*error)


def _known(name: str) -> Feed:
    return feeds.load(name, settings.packages(os.environ))


def _chosen(name: str | None) -> list[Feed]:
    return [_known(name)] if name else feeds.every(settings.packages(os.environ))


def _took(each: run.Run) -> float | None:
    return (each.ended_at - each.started_at).total_seconds() if each.ended_at else None


def _counts(each: run.Run) -> str:
    return " ".join(f"{name}={value}" for name, value in each.counts.items() if value) or (each.reason or "")


def _row(entry: quarantine.Entry) -> str:
    return "whole" if entry.row < 0 else str(entry.row)
