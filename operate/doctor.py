"""`feedfall doctor`: looks at all that feedfall needs, and says of each thing that it is right, or what to do.

    settings ─ feeds ─ database: role, rights, schema, tables ─ Kafka: topics and their settings ─ Argo ─ clocks

Each check stands alone: what it cannot find out is its own finding, and hides no other. Nothing is changed anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

import business_day
from business_day import CalendarError
from catalog import Feed, find
from ledger import database, databases, doctor, schema
from ledger.database import Connection
from ledger.errors import Failure, Transient
from operate import doctor_argo, doctor_clocks, doctor_topics
from steps.drain.kafka import Cluster
from steps.run import settings
from steps.run.exits import Exit


class State(StrEnum):
    """What a check found. `advice`: it works, and something would be better."""

    OK = "ok"
    ADVICE = "advice"
    TODO = "to do"
    UNREACHABLE = "not reached"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, and what is true or what to do."""

    state: State
    subject: str
    words: str


@dataclass
class Doctor:
    """The findings, as they come. `run` makes one of whatever a check raises."""

    environ: Mapping[str, str]
    findings: list[Finding] = field(default_factory=list)

    def add(self, state: State, subject: str, words: str) -> None:
        self.findings.append(Finding(state, subject, words))

    def run(self, subject: str, check: Callable[[], Iterable[tuple[str, str]]]) -> None:
        """A check gives (state, words), one for each of its lines."""
        try:
            for state, words in check():
                self.add(State(state), subject, words)
        except Transient as error:
            self.add(State.UNREACHABLE, subject, str(error))
        except (Failure, find.UnknownFeed, CalendarError) as error:
            self.add(State.TODO, subject, str(error))
        except Exception as error:  # noqa: BLE001 -- a feed's own file may raise anything, and hides no other check
            self.add(State.TODO, subject, f"{type(error).__name__}: the feed's file, or a bug in feedfall")


def examine(
    environ: Mapping[str, str], name: str | None, duty: str, window: float, controller_config: str
) -> list[Finding]:
    """Look at everything; for one feed, or for all. `window`: seconds that a topic must keep its messages."""
    found = Doctor(environ)
    found.run("settings", partial(_settings, environ, name))
    feeds = _feeds(found, name)
    with ExitStack() as stack:
        connection = None
        for each in sorted({feed.database for feed in feeds}) or [""]:
            opened = _connected(found, stack, each)
            if opened:
                _database(found, opened, [feed for feed in feeds if feed.database == each], duty)
            connection = connection or opened
        cluster = _cluster(found)
        if cluster:
            for feed in feeds:
                _topics(found, cluster, feed, window)
        found.run("Argo", partial(doctor_argo.server, environ))
        found.run("Argo's controller", partial(doctor_argo.controller, controller_config))
        _clocks(found, connection, cluster, feeds)
    return found.findings


def exit_code(findings: Sequence[Finding]) -> Exit:
    """78 where a person must act, 75 where something could not be reached, 0 where all is well."""
    states = {each.state for each in findings}
    if State.TODO in states:
        return Exit.CONFIG
    return Exit.TRANSIENT if State.UNREACHABLE in states else Exit.OK


def _settings(environ: Mapping[str, str], name: str | None) -> Iterator[tuple[str, str]]:
    packages = settings.packages(environ)
    feeds = [find.load(name, packages)] if name and name in find.names(packages) else find.usable(packages)[0]
    for each in sorted({feed.database for feed in feeds}) or [""]:
        settings.read(environ, database=each)
    yield State.OK, "all that pods need is set"


def _feeds(found: Doctor, name: str | None) -> list[Feed]:
    """The feeds that can be read; what is wrong with another is a finding."""
    packages, feeds = settings.packages(found.environ), list[Feed]()
    names = [name] if name else []

    def every() -> Iterator[tuple[str, str]]:
        names.extend(sorted(find.names(packages)))
        yield State.OK, f"{len(names)} in {', '.join(packages)}"

    def load(each: str) -> Iterator[tuple[str, str]]:
        feeds.append(find.load(each, packages))
        shared = [
            each.name for each in feeds[:-1] if (each.database, each.table) == (feeds[-1].database, feeds[-1].table)
        ]
        calendars = settings.calendars(found.environ)
        if not calendars.url:  # the service has calendars of its own
            business_day.calendar(feeds[-1].calendar, own=business_day.read_own(calendars.files))
        if shared:
            yield State.TODO, f"shares the table {feeds[-1].table} with {shared[0]}: give one of them its own"
        else:
            yield State.OK, "can be read"

    if not name:
        found.run("feeds", every)
    for each in names:
        found.run(f"feed {each}", partial(load, each))
    return feeds


def _connected(found: Doctor, stack: ExitStack, name: str) -> Connection | None:
    opened: list[Connection] = []

    def connect() -> Iterator[tuple[str, str]]:
        url = databases.url(found.environ, database=name)
        opened.append(stack.enter_context(closing(database.connect(url, "feedfall doctor", autocommit=True))))
        role = doctor.role(opened[0])
        yield State.OK, f"PostgreSQL {role.server}, as {role.name}"
        if role.superuser or role.owner:
            what = "a superuser" if role.superuser else "the owner of the ledger"
            yield State.ADVICE, f"{role.name} is {what}: pods need only the rights of feedfall_pod (`feedfall schema`)"

    found.run(f"database {name}".strip(), connect)
    return opened[0] if opened else None


def _database(found: Doctor, connection: Connection, feeds: Sequence[Feed], duty: str) -> None:
    def version() -> Iterator[tuple[str, str]]:
        database.check(connection)
        yield State.OK, f"the ledger's schema serves this code ({database.CODE})"

    def table(feed: Feed) -> Iterator[tuple[str, str]]:
        schema.check_table(connection, feed)
        yield State.OK, "carries every column of the feed, and its key"

    found.run("schema", version)
    found.run("rights", lambda: _rights(connection, duty, feeds))
    for feed in feeds:
        found.run(f"table {feed.table}", partial(table, feed))


def _rights(connection: Connection, duty: str, feeds: Sequence[Feed]) -> Iterator[tuple[str, str]]:
    missing = doctor.missing_rights(connection, duty, feeds)
    if duty in ("pod", "operator") and not doctor.role(connection).temporary:
        yield State.TODO, "may make no temporary table: GRANT TEMPORARY ON DATABASE (`feedfall schema --rights`)"
    if not missing:
        yield State.OK, f"all that the duty {duty} needs"
    for place in sorted({each.place for each in missing}):
        bare, here = place.strip('"'), [each for each in missing if each.place == place]
        lacks = sorted({f"{each.privilege} {each.name}".strip() for each in here})
        more = f" and {len(lacks) - SHOWN} more" if len(lacks) > SHOWN else ""
        yield (
            State.TODO,
            f"the duty {duty} needs {', '.join(lacks[:SHOWN])}{more} on {bare}: apply `feedfall schema --rights`",
        )


#: Rights of one table that a line names.
SHOWN = 4


def _cluster(found: Doctor) -> Cluster | None:
    """Kafka, by its own settings alone: another setting that is wrong hides nothing of it."""
    opened: list[Cluster] = []

    def connect() -> Iterator[tuple[str, str]]:
        kafka = {name: value for name, value in found.environ.items() if name in settings.KAFKA}
        opened.append(Cluster(settings.read({**kafka, databases.VARIABLE: "postgresql:///none"})))
        opened[0].topics(["feedfall.doctor"])
        yield State.OK, "answers"

    found.run("Kafka", connect)
    return opened[0] if opened and found.findings[-1].state is State.OK else None


def _topics(found: Doctor, cluster: Cluster, feed: Feed, window: float) -> None:
    prefix = found.environ.get("FEEDFALL_TOPIC_PREFIX", "")
    for kind in ("request", "response", *(["bell"] if feed.rings else [])):
        name = feed.topic(kind, prefix)
        found.run(f"topic {name}", partial(doctor_topics.check, cluster, feed, kind, name, window))


def _clocks(found: Doctor, connection: Connection | None, cluster: Cluster | None, feeds: Sequence[Feed]) -> None:
    if connection:
        found.run("clock of the database", partial(doctor_clocks.of_database, connection))
    found.run("clock of Argo", partial(doctor_clocks.of_argo, found.environ))
    prefix = found.environ.get("FEEDFALL_TOPIC_PREFIX", "")
    for name in (feed.topic("response", prefix) for feed in feeds):
        if cluster:
            found.run(f"clock behind {name}", partial(doctor_clocks.of_messages, cluster, name))
