"""The whole world on one machine: PostgreSQL, Kafka, partners, and the player of our templates. No cluster, no Docker.

    with world(folder, say=print) as here:                     # 3 s; everything in it is real but the partners
        here.player.submit("fx-pub", {"base-date": "2026-10-30"})

Called by `feedfall local` (`run_local`), the demo and the tests. Two worlds in two folders run side by side; what was
loaded is still there when a folder is opened again.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypedDict, Unpack
from zoneinfo import ZoneInfo

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from catalog import Feed, find
from ledger import schema
from ledger.database import connect
from ledger.databases import variable
from local.argo.clock import tick_crons
from local.argo.doorbell import ring
from local.argo.objects import PLURALS
from local.argo.player import NAMESPACE, Player
from local.argo.server import serve_argo
from local.argo.template import Document
from local.argo.workflow import Event
from local.partners import simulators
from local.partners.server import Simulator, serve_simulator
from local.servers.kafka import broker
from local.servers.postgres import database
from local.servers.process import Processes, Say
from workflows import manifests

PARTITIONS = 3
SEOUL = ZoneInfo("Asia/Seoul")
PASSED_ON = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("FEEDFALL_CALENDAR_URL", "FEEDFALL_CALENDAR_HOURS"),
)
"""What pods need of the caller's environment to reach a partner or the calendar service outside."""


@dataclass(frozen=True)
class World:
    """Where everything is. `environ` is what a command or a stage started by hand needs to find it."""

    folder: Path
    feeds: Sequence[Feed]
    database_url: str
    kafka: str
    partner_urls: Mapping[str, str]
    """Partner's short name → where its simulator is; a partner that is not here is the real one."""
    api_url: str
    environ: Mapping[str, str]
    player: Player

    def places(self) -> dict[str, str]:
        partners = simulators.names(self.feeds)
        return {
            "Kafka": self.kafka,
            "database": self.database_url,
            "Argo's API": f"{self.api_url}  (namespace {NAMESPACE})",
            **{f"partner {name}": self.partner_urls.get(name, "the real one") for name in partners},
            "logs": str(self.player.folder),
        }


class Options(TypedDict, total=False):
    """How a world is played; an option that is not given is off, or as in a cluster."""

    simulators: Mapping[str, Simulator]
    """Partner's short name → its simulator. Requests to a partner that is not here go to the real one."""
    crons: bool
    bells: bool
    """On by default."""
    backoff: float
    """Below 1 the waits between attempts are shorter than Argo's."""
    on_event: Callable[[Event], None]
    settings: Mapping[str, str]
    """Environment variables of every pod, beside the addresses."""


@contextmanager
def world(
    folder: Path, packages: Sequence[str] = find.PACKAGES, *, say: Say, **options: Unpack[Options]
) -> Iterator[World]:
    """Start it all; stop it all when the block ends."""
    folder = folder.resolve()
    with ExitStack() as stack:
        processes = stack.enter_context(Processes())
        url, kafka = _servers(stack, processes, folder, find.every(packages), say)
        yield stack.enter_context(play_on(folder, packages, processes, url, kafka, **options))


@contextmanager
def play_on(
    folder: Path, packages: Sequence[str], processes: Processes, url: str, kafka: str, **options: Unpack[Options]
) -> Iterator[World]:
    """Play on servers that are there already."""
    on_event, every = options.get("on_event", lambda _: None), find.every(packages)
    with ExitStack() as stack:
        simulated = options.get("simulators", {}).items()
        partner_urls = {name: stack.enter_context(serve_simulator(each)) for name, each in simulated}
        settings = {**_settings(packages, partner_urls), **options.get("settings", {})}
        urls = addresses(url, every)
        places = {"kafka-bootstrap-servers": kafka}
        places |= {f"database-url-{name}" if name else "database-url": each for name, each in urls.items()}
        configuration = {"feedfall": places, "feedfall-settings": settings}
        player = Player(
            processes, _documents(every), configuration, folder / "runs", on_event, backoff=options.get("backoff", 1.0)
        )
        stack.enter_context(player)
        api = places["argo-server"] = stack.enter_context(serve_argo(player))
        if options.get("crons"):
            stack.enter_context(tick_crons(player))
        if options.get("bells", True):
            stack.enter_context(ring(player, every))
        argo = {"ARGO_SERVER": api, "ARGO_NAMESPACE": NAMESPACE}
        known = {variable(name): each for name, each in urls.items()}
        environ = {**settings, **known, "KAFKA_BOOTSTRAP_SERVERS": kafka, **argo}
        yield World(folder, every, url, kafka, partner_urls, api, environ, player)


Beside = Callable[[World], AbstractContextManager[object]]


def run_local(
    folder: Path,
    packages: Sequence[str] = find.PACKAGES,
    *,
    say: Say = print,
    simulate: bool = True,
    beside: Beside = nullcontext,
) -> int:
    """Play the whole world until Ctrl-C or SIGTERM; the exit code of `feedfall local`.

    `simulate`: each partner that has a simulator is simulated; otherwise requests go to the real ones.
    `beside`: what runs as long as the world does, such as the board.
    """
    simulated = simulators.every(find.every(packages)) if simulate else {}
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with world(folder, packages, say=say, simulators=simulated, crons=True, on_event=Reporter(say)) as here:
            places = here.places()
            width = max(map(len, places)) + 1
            say("\n".join(f"{name:<{width}} {place}" for name, place in places.items()))
            with beside(here):
                say("Ready. Ctrl-C stops everything; the data stays in " + str(here.folder))
                threading.Event().wait()
    except KeyboardInterrupt:
        say("Stopped.")
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


IDLE = " started=0 overdue=0 absent=0 arrived=0 undelivered=0 "


class Reporter:
    """Prints one line for each Workflow that has ended; for a sweep only if it did something, or failed."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._result: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        name = event.workflow.name
        if event.kind == "line":
            if event.text.startswith("RESULT "):
                self._result[name] = event.text.removeprefix("RESULT ")
        elif event.kind == "ended":
            result = self._result.pop(name, event.workflow.message)
            if event.workflow.phase != "Succeeded" or IDLE not in result:
                self._say(f"{datetime.now(SEOUL):%H:%M:%S} KST  {name:<28} {event.text:<12} {result}")


def _servers(stack: ExitStack, processes: Processes, folder: Path, every: Sequence[Feed], say: Say) -> tuple[str, str]:
    """Both at once: the database in a thread, Kafka here, where Ctrl-C can end a first download."""

    def ledger() -> str:
        url = stack.enter_context(database(folder / "postgres", processes, say=say))
        for name, address in addresses(url, every).items():
            if name:
                schema.create_database(url, name)
            with closing(connect(address, "migrate")) as connection:
                schema.migrate(connection, [feed for feed in every if feed.database == name])
        return url

    with ThreadPoolExecutor(1) as pool:
        ready = pool.submit(ledger)
        kafka = stack.enter_context(broker(folder / "kafka", processes, say=say))
        create_topics(kafka, every)
        wake_groups(kafka)
        return ready.result(), kafka


def addresses(url: str, every: Sequence[Feed]) -> dict[str, str]:
    """Each database that feeds name → where it is: beside the first, on one server."""
    server = url.rsplit("/", 1)[0]
    return {"": url} | {feed.database: f"{server}/{feed.database}" for feed in every if feed.database}


def create_topics(kafka: str, every: Sequence[Feed]) -> None:
    """Create each feed's topics, where they are missing."""
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    kinds = {feed: ("request", "response", "bell") if feed.rings else ("request", "response") for feed in every}
    wanted = [(feed.topic(kind), max(PARTITIONS, feed.parallel)) for feed, of in kinds.items() for kind in of]
    for future in admin.create_topics([NewTopic(name, number, 1) for name, number in wanted]).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def wake_groups(kafka: str) -> None:
    """Ask for a group until Kafka has one: a first consumer that comes too early sleeps for 3 s (librdkafka's join).

    A consumer asks, never the admin client, whose call crashes the process at that moment (librdkafka #5040).
    """
    nobody = Consumer({"bootstrap.servers": kafka, "group.id": "nobody", "log_level": 0})
    for _ in range(100):
        try:
            nobody.committed([TopicPartition("nobody", 0)], timeout=0.1)
        except KafkaException:
            continue
        break
    nobody.close()


def _documents(every: Sequence[Feed]) -> list[Document]:
    """The templates and the crons. Roles and accounts are for a cluster only."""
    rendered = [each for documents in manifests(every).values() for each in documents]
    return [each for each in rendered if each["kind"] in PLURALS]


def _settings(packages: Sequence[str], partner_urls: Mapping[str, str]) -> dict[str, str]:
    """Environment variables of every pod, beside the addresses. No proxy between what runs on this machine."""
    outside = {name: os.environ[each] for name in PASSED_ON for each in (name, name.lower()) if each in os.environ}
    direct = [os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "", "127.0.0.1", "localhost"]
    around = ",".join(filter(None, direct))
    simulated = {f"FEEDFALL_PARTNER_URL_{name.upper()}": url for name, url in partner_urls.items()}
    if own := os.environ.get("FEEDFALL_CALENDARS"):
        outside["FEEDFALL_CALENDARS"] = str(Path(own).resolve())  # a pod works in a folder of its own
    return {"FEEDFALL_FEEDS": ",".join(packages), **outside, "NO_PROXY": around, "no_proxy": around, **simulated}
