"""What `today`, `why`, `audit` and `handover` share: language, times, and what a database that is away means.

It costs its own feeds alone: said on stderr, and by the exit code (75, or 78 where a setting is wrong).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo

import typer

from cli import show
from cli.options import Feeds, aside, seconds
from ledger.databases import variable
from ledger.errors import Misconfigured
from operate.desk.words import desk_zone, sentence
from steps.run.exits import Exit

if TYPE_CHECKING:
    from operate.desk.desk import Desk, FeedDay, Why

Lang = Annotated[
    Literal["en", "ko"], typer.Option("--lang", help="The language of the sentences.", envvar="FEEDFALL_LANG")
]
Since = Annotated[str | None, typer.Option(help="From when on: a length such as 12h, or 2026-11-24T18:00.")]


def said(why: Why | None, language: str) -> str:
    """A reason, in the language and the zone of the desk."""
    return sentence(why, language, desk_zone()) if why else ""


def leave(desk: Desk, feeds: Feeds) -> None:
    """Say which feeds cannot be served, which databases are away and which sweeps are missing; exit with the worst."""
    for name, words in feeds.unusable.items():
        aside(f"{name}: {words}")
    for each in desk.databases:
        if each.failure:
            at = f", shown as of {show.word(each.read_at)}" if each.read_at else ""
            aside(f"{variable(each.name)}: {each.failure}{at}")
        elif each.sweep_alarm:
            aside(f"SWEEP ({variable(each.name)}): {each.sweep_alarm}.")
    codes = [each.failure_code or 1 for each in desk.databases if each.failure]
    codes += [int(Exit.CONFIG)] if feeds.unusable else []
    if codes:
        raise typer.Exit(max(codes))


def moment(text: str | None) -> datetime | None:
    """A length before now, or a moment; one without a zone is a moment of the desk's zone. Raises Misconfigured."""
    if text is None:
        return None
    if re.fullmatch(r"[\d.]+[smh]?", text):
        return datetime.now(UTC) - timedelta(seconds=seconds(text))
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Misconfigured(f"--since {text!r}: write a length such as 12h, or a moment, 2026-11-24T18:00") from error
    return found if found.tzinfo else found.replace(tzinfo=desk_zone())


def day_json(each: FeedDay, language: str) -> dict[str, object]:
    """A base date for a program, with its sentences."""
    sentences = {"sentence": said(each.why, language), "next_sentence": said(each.next, language)}
    return {**vars(each), "band": each.band, **sentences}


def feed_clock(when: datetime | None, zone: str) -> str:
    """The desk's time, and the same where the feed lives."""
    return f"{show.word(when)} ({when.astimezone(ZoneInfo(zone)):%m-%d %H:%M %Z})" if when else ""
