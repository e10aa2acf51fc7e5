"""`feedfall approve` and `feedfall approvals`: the second person's decision, and what waits for it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

import operate.approve
from cli import show
from cli.options import By, Json, Limit, OneDatabase, Preview, Reason, actor, in_each_database, load_feeds
from ledger.databases import variable
from ledger.errors import Misconfigured
from operate import approval, previews
from operate.act import Role
from operate.approve import World
from steps.run.execution import stopping

if TYPE_CHECKING:
    from ledger.approval import Approval

Number = Annotated[int | None, typer.Argument(help="Its number; the one that waits if absent.", metavar="[ID]")]
Reject = Annotated[bool, typer.Option("--reject", help="Reject it.")]
Every = Annotated[bool, typer.Option("--all", help="Also those that are over.")]

COLUMNS = ("id", "state", "verb", "feed", "asked by", "until", "reason", "what it does")


def approvals(limit: Limit = 20, *, every: Every = False, database: OneDatabase = None, as_json: Json = False) -> None:
    """List what waits for a second person."""
    now = datetime.now(UTC)
    found = [(where, each) for where, its in _ask(limit if every else None, database).items() for each in its]
    if as_json:
        return show.as_json([{"database": where, "state": each.state(now), **vars(each)} for where, each in found])
    lines = [(variable(where), *_line(each, now)) for where, each in found]
    several = len({where for where, _ in found}) > 1
    columns, lines = (("database", *COLUMNS), lines) if several else (COLUMNS, [line[1:] for line in lines])
    return show.table(columns, lines, empty="Nothing waits for a second person.")


def approve(
    reason: Reason,
    by: By,
    number: Number = None,
    *,
    reject: Reject = False,
    preview: Preview = False,
    database: OneDatabase = None,
) -> None:
    """Approve what another person has asked for, and do it; or reject it (승인)."""
    where, asked = _chosen(number, database)
    who = actor(by, Role.APPROVER)
    with stopping() as stop:
        world = World(os.environ, stop)
        if preview:
            shown = operate.approve.look(world, asked)
            return show.say(previews.words(shown) if shown else asked.preview)
        if reject:
            operate.approve.reject(world, where, asked.id, who, reason)
            return show.say(f"approval {asked.id} is rejected: {reason}.")
        return show.say(f"{operate.approve.approve(world, where, asked.id, who, reason)}.")


def _ask(limit: int | None, database: str | None) -> dict[str, list[Approval]]:
    answers = in_each_database(
        load_feeds(None, database),
        lambda _, connection, __: approval.latest(connection, limit) if limit else approval.pending(connection),
        needs_kafka=False,
    )
    return answers.found


def _chosen(number: int | None, database: str | None) -> tuple[str, Approval]:
    """The approval that is meant, and its database. Raises Misconfigured."""
    found = _ask(10_000 if number else None, database)
    fitting = [(where, each) for where, its in found.items() for each in its if number in (None, each.id)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        what = f"approval {number} is not there" if number else "nothing waits for a second person"
        raise Misconfigured(f"{what}: `feedfall approvals` lists those that wait")
    names = ", ".join(f"{each.id} of {variable(where)}" for where, each in fitting)
    raise Misconfigured(f"which one? {names}: give its number, and --database")


def _line(each: Approval, now: datetime) -> tuple[object, ...]:
    asker = each.asked_by if each.asked_by == each.asked_signed_in else f"{each.asked_by} ({each.asked_signed_in})"
    about = (each.verb, each.feed or "all", asker, each.expires_at, each.reason, each.preview)
    return (each.id, each.state(now), *about)
