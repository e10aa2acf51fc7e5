"""What the desk's commands are asked with: a feed, who asks and why; and their way to the ledger."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from catalog import Feed, find
from ledger import printable
from ledger.database import Connection, session
from steps.run import settings
from steps.run.settings import Settings


def visible(option: typer.CallbackParam, text: str) -> str:
    """Refuse an option's text with characters that cannot be seen. Raises Unprintable."""
    printable.check(**{f"--{option.name}": text})
    return text


FeedName = Annotated[str, typer.Argument(help="The feed's name, such as fx.", metavar="FEED")]
AnyFeed = Annotated[str | None, typer.Argument(help="Only this feed; all of them if absent.", metavar="[FEED]")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the journal.", callback=visible)]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many lines.")]
By = Annotated[
    str, typer.Option(help="Who does it.", envvar="FEEDFALL_BY", default_factory=getpass.getuser, callback=visible)
]


@contextmanager
def ledger(*, needs_kafka: bool = True) -> Iterator[tuple[Settings, Connection]]:
    """The settings, and a checked connection: committed when the command ends well."""
    environment = settings.read(stage="" if needs_kafka else "verify")
    with session(environment.database_url, f"feedfall {getpass.getuser()}") as connection:
        yield environment, connection


def known(name: str) -> Feed:
    """The feed of that name. Raises UnknownFeed."""
    return find.load(name, settings.packages(os.environ))


def chosen(name: str | None) -> list[Feed]:
    """The feed of that name, or all."""
    return [known(name)] if name else find.every(settings.packages(os.environ))
