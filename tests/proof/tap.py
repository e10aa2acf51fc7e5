"""The tap: counts a pod's calls to the outside, and lets the fault happen at one of them.

Sits between the product and its drivers (confluent_kafka, psycopg, httpx), never in the product: `install` puts
subclasses in the drivers' places before `steps` is imported, in a process that exists only for the proof.

A call is named by what it is and how often it was made (`pg chunk.advance#2`), so that a point is found again in
another run. A poll that brings nothing, and the look at the position after it, are a wait and not a call.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from concurrent import futures
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import confluent_kafka
import httpx
import psycopg
from confluent_kafka import admin

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

IDLE = psycopg.pq.TransactionStatus.IDLE
LEDGER = Path(__file__).parents[2] / "ledger"
STRUCK = "STRUCK"


@dataclass(frozen=True)
class Plan:
    """What shall happen in one process, and where: at the `number`-th call of `name`, before or after it."""

    name: str
    number: int
    side: str
    fault: str

    def __str__(self) -> str:
        return f"{self.name}#{self.number}:{self.side}:{self.fault}"


class Tap:
    """One process's calls, in order, into a journal that outlives it."""

    def __init__(self) -> None:
        self._lock, self._made = threading.Lock(), Counter[str]()
        self._journal = -1
        self.plan: Plan | None = None
        self.environ: Mapping[str, str] = {}
        self.linger = 0.0

    def open(self, journal: Path, plan: Plan | None, environ: Mapping[str, str], linger: float) -> None:
        """From here on this process is watched."""
        self._journal = os.open(journal, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self.plan, self.environ, self.linger = plan, environ, linger

    def __call__(self, name: str, call: Callable[[], Any], counts: Callable[[Any], object] = lambda _: True) -> Any:
        """Make a call; where it is the planned one, the fault happens before or after it."""
        if self._journal < 0:
            return call()
        name = _whose(name)
        with self._lock:
            self._made[name] += 1
            number = self._made[name]
        result: Any = None
        self._strike(name, number, "before")
        try:
            result = call()
        finally:
            if counts(result):
                self._write(f"{name}#{number}")
                self._strike(name, number, "after")
            else:
                self._made[name] -= 1
        if name == "pg commit":
            time.sleep(self.linger)
        return result

    def is_here(self, name: str, fault: str) -> bool:
        """Is the call that is being made the planned one, of this fault?"""
        name = _whose(name)
        return (
            self.plan is not None
            and (self.plan.name, self.plan.fault) == (name, fault)
            and self._made[name] == self.plan.number
        )

    def struck(self) -> None:
        """Say so before it happens: after it there may be nobody to say it."""
        self.plan = None
        self._write(STRUCK)

    def _strike(self, name: str, number: int, side: str) -> None:
        plan = self.plan
        if plan and (plan.name, plan.number, plan.side) == (name, number, side) and plan.fault in FAULTS:
            self.struck()
            FAULTS[plan.fault](self.environ)

    def _write(self, line: str) -> None:
        os.write(self._journal, f"{line}\n".encode())


def _whose(name: str) -> str:
    return f"keeper's {name}" if threading.current_thread().name == "keeper" else name


TAP = Tap()


# -- the faults --


def _signal(number: int, _environ: Mapping[str, str]) -> None:
    os.kill(os.getpid(), number)


def _cut_broker(environ: Mapping[str, str]) -> None:
    """Every connection of this process to the broker breaks."""
    port = int(environ["KAFKA_BOOTSTRAP_SERVERS"].rsplit(":", 1)[1])
    for descriptor in range(3, 512):
        try:
            with socket.socket(fileno=os.dup(descriptor)) as each:
                if each.getpeername()[1] == port:
                    each.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue


def _end_backends(environ: Mapping[str, str]) -> None:
    """Every session of this process with the database is ended, as by an administrator, and is gone."""
    with CONNECT(environ["DATABASE_URL"], autocommit=True) as connection:
        ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE %s"
        connection.execute(ended, [environ["WORKFLOW_UID"] + "%"])


def _swallow_reply(connection: psycopg.Connection[Any], work: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """The question reaches the server and is answered; the answer is lost, and the connection with it."""
    begins = connection.pgconn.transaction_status == IDLE and not connection.autocommit  # BEGIN's answer comes first
    try:
        wanted = next(work)
        while True:
            ready = yield wanted
            if ready & psycopg.waiting.Ready.R:
                if not begins:
                    _shut(connection)
                begins = False
            wanted = work.send(ready)
    except StopIteration as done:
        return done.value


def _shut(connection: psycopg.Connection[Any]) -> None:
    with socket.socket(fileno=os.dup(connection.fileno())) as wire:
        wire.recv(2**20)
        wire.shutdown(socket.SHUT_RDWR)


LOST_REPLY = "reply lost"
FAULTS: dict[str, Callable[[Mapping[str, str]], None]] = {
    "SIGKILL": partial(_signal, signal.SIGKILL),
    "SIGTERM": partial(_signal, signal.SIGTERM),
    "SIGSTOP": partial(_signal, signal.SIGSTOP),
    "broker cut": _cut_broker,
    "database cut": _end_backends,
}


# -- the drivers --


def _tapped(kind: type, *calls: str) -> dict[str, Callable[..., Any]]:
    """The named methods of a client, each of them going through the tap."""

    def through(call: str) -> Callable[..., Any]:
        name, real = f"{kind.__name__}.{call.strip('_')}", getattr(kind, call)
        return lambda self, *args, **kwargs: TAP(name, lambda: _all_of(real(self, *args, **kwargs)))

    return {call: through(call) for call in calls}


def _all_of(result: Any) -> Any:
    """The admin client answers with futures: the call is over when they are."""
    if isinstance(result, dict):
        futures.wait([each for each in result.values() if isinstance(each, futures.Future)])
    return result


PRODUCER = (
    "__init__",
    "init_transactions",
    "begin_transaction",
    "produce",
    "commit_transaction",
    "abort_transaction",
    "flush",
)
CONSUMER = ("__init__", "assign", "resume", "pause", "committed", "commit", "close")

Producer = type("Producer", (confluent_kafka.Producer,), _tapped(confluent_kafka.Producer, *PRODUCER))
Quiet = type("Consumer", (confluent_kafka.Consumer,), _tapped(confluent_kafka.Consumer, *CONSUMER))


class Consumer(Quiet):
    """Its polls are waits unless they bring something."""

    waits = False

    def consume(self, *args: Any) -> Any:
        found = TAP("Consumer.consume", lambda: super(Consumer, self).consume(*args), bool)
        self.waits = not found
        return found

    def position(self, *args: Any) -> Any:
        return TAP("Consumer.position", lambda: super(Consumer, self).position(*args), lambda _: not self.waits)


class Connection(psycopg.Connection[Any]):
    """psycopg's, all of whose round trips go through `wait`."""

    @classmethod
    def connect(cls, *args: Any, **kwargs: Any) -> Any:
        return TAP("pg connect", lambda: super(Connection, cls).connect(*args, **kwargs))

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        name = f"pg {_name(gen)}"

        def call() -> Any:
            if TAP.is_here(name, LOST_REPLY):
                TAP.struck()
                return super(Connection, self).wait(_swallow_reply(self, gen), *args, **kwargs)
            return super(Connection, self).wait(gen, *args, **kwargs)

        return TAP(name, call)

    def close(self) -> None:
        TAP("pg close", super().close)


CONNECT = psycopg.Connection.connect


def _name(gen: Any) -> str:
    """What a round trip is for: the ledger's own name of the statement, or the driver's of the step."""
    frame = getattr(gen, "gi_frame", None)
    query = frame.f_locals.get("query", frame.f_locals.get("statement")) if frame else None
    if query is None:
        return str(gen.__name__).strip("_").removesuffix("_gen")
    text = query if isinstance(query, str) else psycopg.sql.as_string(query)
    return _titles().get(text.split("\n", 1)[0]) or " ".join(text.split()[:3])


@cache
def _titles() -> dict[str, str]:
    """The first line of each of the ledger's statements → its name."""
    blocks = ((file.stem, block) for file in LEDGER.glob("*.sql") for block in file.read_text().split("-- name: ")[1:])
    return {block.split("\n", 2)[1]: f"{stem}.{block.split(chr(10), 1)[0].strip()}" for stem, block in blocks}


def install() -> None:
    """Put the tap into the drivers. Before `steps` is imported, for it takes them by name."""
    confluent_kafka.Consumer, confluent_kafka.Producer = Consumer, Producer
    for name, call in _tapped(admin.AdminClient, "__init__", "describe_topics", "list_offsets").items():
        setattr(admin.AdminClient, name, call)
    psycopg.connect = Connection.connect
    ask = httpx.HTTPTransport.handle_request
    httpx.HTTPTransport.handle_request = lambda self, request: TAP("partner ask", lambda: ask(self, request))
