"""What several commands share: their options, the ledger that they read, and where their own words go."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from catalog import Feed, find
from cli import show
from ledger import printable
from ledger.database import Connection, session
from ledger.errors import Misconfigured
from steps.run import settings
from steps.run.settings import Settings


def visible(option: typer.CallbackParam, text: str) -> str:
    """Refuse an option's text with characters that cannot be seen. Raises Unprintable."""
    printable.check(**{f"--{option.name}": text})
    return text


FeedName = Annotated[str, typer.Argument(help="The feed's name, such as fx.", metavar="FEED")]
AnyFeed = Annotated[str | None, typer.Argument(help="Only this feed; all feeds if absent.", metavar="[FEED]")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Reason = Annotated[str, typer.Option(help="Why; written to the journal.", callback=visible)]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Print at most this many lines.")]
By = Annotated[
    str,
    typer.Option(help="Who does it.", envvar="FEEDFALL_BY", default_factory=getpass.getuser, callback=visible),
]
Patience = Annotated[
    str, typer.Option(help="Retry for this long during an outage of Argo or the database, then exit 75.")
]
Grace = Annotated[str, typer.Option(help="Wait at most this long until a stopped run has ended.")]

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> float:
    """`90s`, `30m`, `2h`, or a plain number of seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise Misconfigured(f"{text!r} is no time such as 90s, 30m or 2h")
    return float(found[1]) * UNITS[found[2]]


@contextmanager
def open_ledger(*, needs_kafka: bool = True) -> Iterator[tuple[Settings, Connection]]:
    """The settings, and a checked session: committed when the command ends well."""
    environment = read_settings(needs_kafka=needs_kafka)
    with session(environment.database_url, f"feedfall {getpass.getuser()}") as connection:
        yield environment, connection


def read_settings(*, needs_kafka: bool = True) -> Settings:
    """The settings of this command. Raises Misconfigured with all that are missing."""
    return settings.read(stage="" if needs_kafka else "verify")


def load_feed(name: str) -> Feed:
    """The feed of this name. Raises UnknownFeed."""
    return find.load(name, settings.packages(os.environ))


def load_feeds(name: str | None) -> list[Feed]:
    """The feed of this name, or all."""
    return [load_feed(name)] if name else find.every(settings.packages(os.environ))


def aside(text: str) -> None:
    """Print words of the command itself: on stderr, for stdout holds the answer."""
    show.say(text, err=True)
