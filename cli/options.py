"""What several commands share: their options, the ledger that they read, and where their own words go."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Generic, TypeVar

import typer

from business_day import NoSuchDay, read_date
from business_day.dates import FORMS
from catalog import Feed, find
from cli import show
from cli.seat import SEAT
from ledger import databases, printable
from ledger.database import Connection, session
from ledger.errors import Failure, Misconfigured
from operate.act import Actor, Channel, Role
from steps.run import settings
from steps.run.settings import Settings

T = TypeVar("T")


def visible(option: typer.CallbackParam, text: T) -> T:
    """Refuse an option's text with characters that cannot be seen. Raises Unprintable."""
    if isinstance(text, str):
        printable.check(**{f"--{option.name}": text})
    return text


def given(option: typer.CallbackParam, text: str) -> str:
    """Refuse a reason that says nothing, and one that cannot be seen. Raises Misconfigured."""
    if not text.strip():
        raise Misconfigured(f"--{option.name} is empty: say why; it is written to the journal")
    return visible(option, text)


FeedName = Annotated[str, typer.Argument(help="The feed's name, such as fx.", metavar="FEED")]
AnyFeed = Annotated[str | None, typer.Argument(help="Only this feed; all feeds if absent.", metavar="[FEED]")]
OneDatabase = Annotated[
    str | None, typer.Option("--database", help="Only feeds of this database, as Feed(database=) names it.")
]
BaseDate = Annotated[str, typer.Option("--date", help=f"기준일자, {FORMS}.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Reason = Annotated[str, typer.Option(help="Why; written to the journal.", callback=given)]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Print at most this many lines.")]
By = Annotated[
    str,
    typer.Option(help="Who does it.", envvar="FEEDFALL_BY", default_factory=getpass.getuser, callback=visible),
]
Preview = Annotated[bool, typer.Option("--preview", help="Say what it would do now, and change nothing.")]
BreakGlass = Annotated[
    bool, typer.Option("--break-glass", help="Without a second person (비상권한); needs --ticket, and is watched.")
]
Ticket = Annotated[str | None, typer.Option(help="The number of the ticket for --break-glass.", callback=visible)]
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


def actor(by: str, role: Role = Role.OPERATOR) -> Actor:
    """Who types this command. `--by` is a name; the login, or FEEDFALL_BY of the platform, stands beside it.

    The address says the login and the machine in any case, and where a remote shell came from.
    """
    if seat := SEAT.get():  # the service does it, for the holder of a token
        return Actor(by, Role(seat.role), Channel.API, seat.address, seat.holder)
    login = getpass.getuser()
    remote = os.environ.get("SSH_CONNECTION", "").split(" ")[0]
    address = f"{login}@{socket.gethostname()}" + (f" from {remote}" if remote else "")
    return Actor(by, role, Channel.COMMAND, address, os.environ.get("FEEDFALL_BY") or login)


def ticket_of(number: str | None, *, break_glass: bool) -> str | None:
    """The ticket under which an act goes without a second person. Raises Misconfigured for one without the other."""
    if break_glass != bool(number and number.strip()):
        raise Misconfigured("give --break-glass and --ticket NUMBER together")
    return number


@contextmanager
def open_ledger(feed: Feed, *, needs_kafka: bool = True) -> Iterator[tuple[Settings, Connection]]:
    """The settings, and a checked session of the feed's database: committed when the command ends well."""
    environment = read_settings(feed, needs_kafka=needs_kafka)
    with session(environment.database_url, f"feedfall {getpass.getuser()}") as connection:
        yield environment, connection


def read_settings(feed: Feed, *, needs_kafka: bool = True) -> Settings:
    """The settings of a command for this feed. Raises Misconfigured with all that are missing."""
    return settings.read(stage="" if needs_kafka else "verify", database=feed.database)


@dataclass(frozen=True)
class Feeds:
    """The feeds that a command is about, and those that cannot be served: name → why."""

    usable: Sequence[Feed]
    unusable: Mapping[str, str] = field(default_factory=dict)

    def all_usable(self) -> Sequence[Feed]:
        """Where one that cannot be served ends the command. Raises BrokenFeed."""
        for name, words in self.unusable.items():
            raise find.BrokenFeed(f"{name}: {words}")
        return self.usable


@dataclass
class Answers(Generic[T]):
    """What each database answered, and the failures of those that did not."""

    found: dict[str, T] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def check(self) -> None:
        """Raise the first failure, once what the others answered is shown."""
        if self.failures:
            raise self.failures[0]


def in_each_database(
    feeds: Feeds, ask: Callable[[Settings, Connection, Sequence[Feed]], T], *, needs_kafka: bool = True
) -> Answers[T]:
    """Ask the database of each of these feeds, once. One that is away is said, and keeps nothing from the others."""
    answers, names = Answers[T](), sorted({feed.database for feed in feeds.usable})
    for name, words in feeds.unusable.items():
        aside(f"{name}: {words}")
        answers.failures.append(Misconfigured(f"{len(feeds.unusable)} feeds cannot be served: see above"))
    for database in names:
        its = [feed for feed in feeds.usable if feed.database == database]
        try:
            with open_ledger(its[0], needs_kafka=needs_kafka) as (environment, connection):
                answers.found[database] = ask(environment, connection, its)
        except Failure as error:
            if len(names) == 1:
                raise
            aside(f"{databases.variable(database)}: {error}")
            answers.failures.append(error)
    return answers


def base_date_of(text: str) -> date:
    """A base date as a person or Control-M writes it. Raises Misconfigured."""
    try:
        return read_date(text)
    except NoSuchDay as error:
        raise Misconfigured(f"--date {error}") from None


def load_feed(name: str) -> Feed:
    """The feed of this name. Raises UnknownFeed."""
    return find.load(name, settings.packages(os.environ))


def load_feeds(name: str | None, database: str | None = None) -> Feeds:
    """The feed of this name, or all, or all of a database. Raises UnknownFeed, Misconfigured."""
    feeds, unusable = ([load_feed(name)], {}) if name else find.usable(settings.packages(os.environ))
    chosen = [feed for feed in feeds if database is None or feed.database == database]
    if database is not None and not chosen:
        there = ", ".join(sorted({repr(feed.database) for feed in feeds}))
        raise Misconfigured(f"--database {database!r} is the database of no feed; there are {there}")
    return Feeds(chosen, unusable)


def aside(text: str) -> None:
    """Print words of the command itself: on stderr, for stdout holds the answer."""
    show.say(text, err=True)
