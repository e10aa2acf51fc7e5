"""`feedfall verify`: prove the ledger, from its tables or, with `--deep`, against Kafka too."""

from __future__ import annotations

from itertools import chain
from typing import Annotated

import typer

import operate.verify
from cli import show
from cli.options import AnyFeed, Json, OneDatabase, in_each_database, load_feeds
from ledger.deep import Depth
from ledger.errors import LedgerBroken
from ledger.gap import AcceptedGap
from ledger.verify import Account
from steps.run.execution import stopping

Deep = Annotated[bool, typer.Option("--deep", help="Read Kafka again, as far as it goes back, and compare each row.")]


def verify_feed(
    feed: AnyFeed = None, *, deeply: Deep = False, database: OneDatabase = None, as_json: Json = False
) -> None:
    """Prove the ledger: every offset has one fate, and the rows are there. Exit 83 where it is inconsistent."""
    with stopping() as stop:
        answers = in_each_database(
            load_feeds(feed, database),
            lambda environment, connection, feeds: [
                operate.verify.verify(environment, connection, each, stop, deep=deeply) for each in feeds
            ],
            needs_kafka=deeply,
        )
    accounts = list(chain(*answers.found.values()))
    if as_json:
        show.as_json(accounts if feed is None else accounts[0] if accounts else None)
    else:
        for account in accounts:
            if feed is None:
                show.say(f"{account.feed}:")
            show_account(account)
    if broken := [f"{each.feed} does not add up in {len(each.broken)} places" for each in accounts if each.broken]:
        raise LedgerBroken(f"the ledger of {'; of '.join(broken)}")
    answers.check()


def show_account(account: Account) -> None:
    """One line a partition, then what was found."""
    columns = ("stage", "topic", "p", "from", "to", "spans", "records", "absent", "rows", "loaded", "superseded")
    lines = [tuple(vars(line).values())[: len(columns) + 3] for line in account.lines]
    show.table((*columns, "duplicate", "quarantined", "deferred"), lines, empty="Nothing was read yet.")
    for gap in account.skipped:
        show.say(_skipped(gap))
    if account.deferred.count:
        show.say(
            f"{account.deferred.count:,} requests are deferred, the first until {show.word(account.deferred.retry_at)}."
        )
    if account.withdrawn.count:
        late = (
            f", and {account.withdrawn.overtaken:,} of them answered all the same"
            if account.withdrawn.overtaken
            else ""
        )
        show.say(f"{account.withdrawn.count:,} requests were withdrawn{late}.")
    for sentence in account.broken:
        show.say(f"BROKEN {sentence}")
    if not account.broken:
        offsets = sum(line.next_offset - line.first_offset for line in account.lines)
        lost = sum(gap.offsets for gap in account.skipped)
        show.say(f"Proven: each of {offsets:,} offsets has one fate{f', and {lost:,} were skipped' if lost else ''}.")
    if account.depth:
        show.say(_depth(account.depth))


def _skipped(gap: AcceptedGap) -> str:
    """One accepted gap, in words."""
    where = f"{gap.topic}[{gap.partition}]"
    if gap.moved_topic:
        there = f"{gap.moved_topic} at {gap.moved_offset:,}"
        return (
            f"MOVED {where} at {gap.from_offset:,} goes on in {there}: {gap.who} on {show.word(gap.at)}: {gap.reason}"
        )
    what = (
        f"{gap.from_offset:,} to {gap.to_offset - 1:,}"
        if gap.to_offset
        else f"all from {gap.from_offset:,} of an old topic"
    )
    return f"SKIPPED {where} {what}: lost by Kafka, accepted by {gap.who} on {show.word(gap.at)}: {gap.reason}"


def _depth(depth: Depth) -> str:
    lines = [f"Compared with Kafka: {depth.rows:,} rows of {depth.offsets:,} offsets."]
    if depth.gone:
        lines.append(f"Not compared: {depth.gone:,} recorded offsets that are no longer in Kafka.")
    if depth.unread:
        lines.append(f"Not compared: {depth.unread:,} rows that the feed's definition of today refuses.")
    return "\n".join(lines)
