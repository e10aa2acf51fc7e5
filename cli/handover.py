"""`feedfall handover` (인수인계): what the next shift must know; the next shift acknowledges it."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

import operate.desk.handover as shift
from cli import show
from cli.desk_options import Lang, Since, day_json, leave, moment
from cli.options import By, Json, OneDatabase, actor, aside, in_each_database, load_feeds, visible
from ledger.errors import Misconfigured
from operate.desk.handover import Handover, sections
from operate.desk.read import read
from operate.desk.words import clock, desk_zone, heading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog import Feed
    from ledger.database import Connection
    from operate.desk.audit import JournalLine
    from steps.run.settings import Settings

Agreed = Annotated[str, typer.Option(help="With --acknowledge: what was agreed.", callback=visible)]
Acknowledge = Annotated[bool, typer.Option("--acknowledge", help="Take over: write it to the journal.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV for a spreadsheet.")]


def handover(
    by: By,
    since: Since = None,
    reason: Agreed = "",
    *,
    acknowledge: Acknowledge = False,
    as_csv: Csv = False,
    lang: Lang = "en",
    database: OneDatabase = None,
    as_json: Json = False,
) -> None:
    """Hand over a shift: break-glass, open cases, holds by owner and age, what people did, and what to watch next."""
    if acknowledge and not reason.strip():
        raise Misconfigured("--acknowledge needs --reason: say what was agreed, it is written to the journal")
    feeds, now, asked = load_feeds(None, database), datetime.now(UTC), moment(since)

    def ask(_: Settings, connection: Connection, its: Sequence[Feed]) -> tuple[datetime, list[JournalLine]]:
        start = asked or shift.since(connection, now)
        return start, shift.fetch_lines(connection, its[0].database, start)

    answers, desk = in_each_database(feeds, ask, needs_kafka=False), read(feeds.usable, now=now)
    start = min((each for each, _ in answers.found.values()), default=now)
    found = shift.handover(desk, list(chain(*(lines for _, lines in answers.found.values()))), start)
    _show(found, lang, as_csv=as_csv, as_json=as_json)
    if acknowledge:
        in_each_database(
            feeds, lambda _, connection, __: shift.acknowledge(connection, found, actor(by), reason), needs_kafka=False
        ).check()
        aside(f"Acknowledged by {by}: {reason.strip()}")
    leave(desk, feeds)


def _show(found: Handover, lang: str, *, as_csv: bool, as_json: bool) -> None:
    if as_json:
        days = {name: [day_json(each, lang) for each in getattr(found, name)] for name in ("cases", "watch")}
        return show.as_json({**vars(found), **days})
    parts, zone = sections(found, lang, desk_zone()), desk_zone()
    if as_csv:
        return show.say(_csv([(name, each) for name, lines in parts.items() for each in lines]))
    show.say(f"{clock(found.since, zone)} - {clock(found.until, zone)}")
    for name, lines in parts.items():
        show.say(f"\n{heading(name, lang)} ({len(lines)})")
        for each in lines:
            show.say(f"  {each}")
    return None


def _csv(lines: Sequence[tuple[str, str]]) -> str:
    """A spreadsheet reads a cell that begins with =, +, - or @ as a formula: such a cell begins with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([("part", "what"), *((part, f"'{what}" if what[:1] in "=+-@" else what) for part, what in lines)])
    return out.getvalue().rstrip("\n")
