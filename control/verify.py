"""Proving the ledger, at the desk: from the books and the table, or with `--deep` against Kafka too."""

from __future__ import annotations

import typer

from control import show
from control.asked import FeedName, Json, known, ledger
from ledger import verify
from ledger.errors import LedgerBroken


def verify_feed(feed: FeedName, *, as_json: Json = False) -> None:
    """Prove the ledger: every offset has one fate, and the rows are there. Exit 83 when it is broken."""
    with ledger(needs_kafka=False) as (_, connection):
        account = verify.verify(connection, known(feed))
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
