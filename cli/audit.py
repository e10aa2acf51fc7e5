"""`feedfall audit`: the journal: who did what, when, why, by which channel, and what it changed."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from cli import show
from cli.desk_options import Since, moment
from cli.options import AnyFeed, Json, Limit, OneDatabase, in_each_database, load_feeds
from ledger.audit import Filter
from operate.desk.audit import fetch_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from operate.desk.audit import JournalLine

By = Annotated[str | None, typer.Option(help="Only what this person did, under either name.")]
Verb = Annotated[str | None, typer.Option(help="Only this verb, such as hold.")]


def audit(
    feed: AnyFeed = None,
    limit: Limit = 50,
    since: Since = None,
    by: By = None,
    verb: Verb = None,
    *,
    database: OneDatabase = None,
    as_json: Json = False,
) -> None:
    """Show the journal: who did what, when and why, by which channel, and how it ended."""
    wanted = Filter(feed, moment(since), by, verb, limit)
    answers = in_each_database(
        load_feeds(feed, database),
        lambda _, connection, feeds: fetch_lines(connection, feeds[0].database, wanted),
        needs_kafka=False,
    )
    found = sorted(chain(*answers.found.values()), key=lambda each: each.at, reverse=True)[:limit]
    if as_json:
        show.as_json(found)
        return answers.check()
    columns = ("at", "feed", "verb", "who", "role", "channel", "outcome", "reason", "more")
    show.table(columns, [_line(each) for each in found], empty="No such line in the journal.")
    return answers.check()


def _line(each: JournalLine) -> tuple[object, ...]:
    channel = " ".join(part for part in (each.channel, each.address) if part and part != "-")
    return (each.at, each.feed, each.verb, each.who, each.role, channel, each.outcome, each.reason, _more(each))


def _more(each: JournalLine) -> str:
    """Why it was refused, who agreed, and what it changed."""
    ticket = f"break-glass, ticket {each.ticket}" if each.ticket else ""
    approval = f"approval {each.approval}" if each.approval else ""
    detail = json.dumps(each.detail, ensure_ascii=False) if each.detail else ""
    return "; ".join(
        filter(None, (each.words, ticket, approval, _changed(each.before or {}, each.after or {}), detail))
    )


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """`held_by: kim -> -`: each value that is another one now."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return ", ".join(f"{name}: {before.get(name, '-')} -> {after.get(name, '-')}" for name in names)
