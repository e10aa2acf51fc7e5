"""One trial's world: a database of its own, topics of its own, the pods in it, and what became of everything."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from catalog import find
from ledger import verify
from proof.tap import CONNECT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from proof.pod import Pod, Pods
    from proof.tap import Plan

LEASE = 1.0
PACKAGES = ("proof.feeds",)
#: Seconds within which a feed must be at its end again after whatever happened.
PATIENCE = 180.0
#: How a doorbell's run may end; anything else needs a person, and here that is a finding.
PASSING = (0, 75, 143)


@dataclass(frozen=True)
class Servers:
    """Where the servers are. `template` is a database that has the ledger and the feed's table."""

    kafka: str
    url: str
    template: str
    partner: str

    def database(self, name: str) -> str:
        return self.url.rsplit("/", 1)[0] + "/" + name


class World:
    """What one trial works on. Opens a connection only while it asks: no pod may inherit one."""

    def __init__(self, servers: Servers, name: str, pods: Pods) -> None:
        self.name, self.url, self._pods, self._number = name, servers.database(name), pods, count(1)
        self._environ = {
            "KAFKA_BOOTSTRAP_SERVERS": servers.kafka,
            "DATABASE_URL": self.url,
            "FEEDFALL_TOPIC_PREFIX": f"{name}.",
            "FEEDFALL_FEEDS": ",".join(PACKAGES),
            "FEEDFALL_LEASE_SECONDS": str(LEASE),
            "FEEDFALL_PARTNER_URL_PARTNER": servers.partner,
        }

    def start(self, words: Sequence[str], uid: str = "", plan: Plan | None = None) -> Pod:
        """A doorbell: a pod of a Workflow of its own, or (uid) Argo's retry of one."""
        uid = uid or f"{self.name}-{next(self._number)}"
        return self._pods.start(words, {**self._environ, "WORKFLOW_UID": uid, "WORKFLOW_NAME": uid}, plan)

    def to_the_end(self, words: Sequence[str], uid: str = "") -> int:
        """Doorbells, and the sweep's after them, until one says that everything is done; how many it took."""
        deadline = time.monotonic() + PATIENCE
        for number in count(1):
            pod = self.start(words, uid)
            pod.wait()
            status, uid = pod.result().get("status"), ""
            if pod.code not in PASSING or status in ("BLOCKED", "HELD"):
                raise Unrecovered(f"{words[0]} ended with {pod.code} after the fault:\n{pod.printed()}")
            if status in ("SUCCEEDED", "ALREADY_DONE"):
                return number
            if time.monotonic() > deadline:
                raise Unrecovered(f"{words[0]} is not at its end after {PATIENCE:.0f} s: {pod.printed()}")
            if status == "BUSY":  # the sweep starts nothing where a run holds the lease
                time.sleep(self._until_free())
        raise AssertionError

    def _until_free(self) -> float:
        """Seconds for which a lease is still held."""
        left = "SELECT max(extract(epoch FROM expires_at - clock_timestamp()))::float8 FROM feedfall.run"
        [(seconds,)] = self.rows(left)
        return min(max(0.0, (seconds or 0.0)) + 0.02, LEASE)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with CONNECT(self.url, autocommit=True, application_name="proof") as connection:
            return connection.execute(query.encode(), values or None).fetchall()

    def spans_of(self, uid: str) -> int:
        """How much of the topic a pod has recorded."""
        query = "SELECT count(*) FROM feedfall.span p JOIN feedfall.run r ON r.id = p.run WHERE r.uid = %s"
        return int(self.rows(query, uid)[0][0])

    def facts(self) -> Facts:
        """Everything that must be the same whatever happened, and everything that must be empty."""
        self._wait_for_the_dead()
        with CONNECT(self.url, application_name="proof") as connection:
            facts = Facts(list(verify.verify(connection, find.load("rate", PACKAGES)).broken))
            for name, query in QUERIES.items():
                facts.found[name] = connection.execute(query.encode()).fetchall()
            return facts

    def _wait_for_the_dead(self) -> None:
        """The server notices within a moment that a client is gone."""
        deadline = time.monotonic() + 3.0
        while self.rows(QUERIES["sessions left"]) and time.monotonic() < deadline:
            time.sleep(0.01)


class Unrecovered(AssertionError):  # noqa: N818 -- reads as what happened
    """A feed that does not come to its end by itself."""


@dataclass
class Facts:
    """What a world holds at its end."""

    broken: list[str]
    found: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    def differences(self, expected: Facts, names: Sequence[str]) -> list[str]:
        """Where it differs from a world without faults. Empty: it does not."""
        told = [f"verify: {sentence}" for sentence in self.broken]
        for name in (*names, *MUST_BE_EMPTY):
            mine, theirs = self.found[name], expected.found[name]
            if mine != theirs:
                lost, more = [row for row in theirs if row not in mine], [row for row in mine if row not in theirs]
                told.append(f"{name}: lost {lost[:5]}, more {more[:5]}, {len(mine)} instead of {len(theirs)}")
        return told


_ROW = "SELECT base_date::text, code, price::text, _seq"
_FATES = """SELECT s.stage, sum(p.rows_read)::int, sum(p.loaded)::int, sum(p.superseded)::int, sum(p.duplicate)::int,
    sum(p.quarantined)::int, sum(p.deferred)::int FROM feedfall.span p JOIN feedfall.source s ON s.id = p.source"""
_QUARANTINE = """SELECT s.stage, s.partition, {coordinates} q.row, q.fate, q.reason, q.key, q.value, q.headers
    FROM feedfall.quarantine q JOIN feedfall.source s ON s.id = q.source ORDER BY q.value, s.stage"""
QUERIES = {
    "rows": f"{_ROW} FROM rate ORDER BY base_date, code",
    # The same with where each came from: equal only where the topic is.
    "lineage": f"{_ROW}, s.partition, _offset, _row, _at FROM rate JOIN feedfall.source s ON s.id = _source "
    "ORDER BY base_date, code",
    "fates of sub": f"{_FATES} WHERE s.stage = 'sub' GROUP BY 1",
    # A SIGTERM ends a chunk early. Whether a row that a newer one replaces was loaded first, or superseded within its
    # chunk, depends on where the chunk ended; that each row has one of the two does not.
    "fates of sub, however chunks are cut": f"""SELECT stage, rows_read, loaded + superseded, duplicate, quarantined,
        deferred FROM ({_FATES} WHERE s.stage = 'sub' GROUP BY 1)
        AS f (stage, rows_read, loaded, superseded, duplicate, quarantined, deferred)""",
    # A request that a dead relay answered is recorded as a duplicate by the one that finds its answer in Kafka.
    "reads of relay": f"""SELECT stage, rows_read, loaded + duplicate, quarantined FROM (
        {_FATES} WHERE s.stage = 'relay' GROUP BY 1) AS f (stage, rows_read, loaded, newer, duplicate, quarantined)""",
    "absent": "SELECT s.stage, sum(p.to_offset - p.from_offset - p.records)::int FROM feedfall.span p "
    "JOIN feedfall.source s ON s.id = p.source GROUP BY 1 ORDER BY 1",
    "quarantine": _QUARANTINE.format(coordinates="q.offset,"),
    "requests": "SELECT base_date::text, seq, ordered, status, reason, count, settled FROM feedfall.request "
    "ORDER BY 1, 2",
    "blocked": "SELECT feed, blocked_code, blocked_reason FROM feedfall.feed_control "
    "WHERE blocked_at IS NOT NULL OR held_at IS NOT NULL OR wait_until IS NOT NULL",
    "held leases": "SELECT l.feed, l.stage, l.partition, r.uid FROM feedfall.lease l "
    "JOIN feedfall.run r ON r.id = l.run WHERE l.held AND r.expires_at IS NOT NULL",
    "sessions left": "SELECT application_name, state, query FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name <> 'proof' AND backend_type = 'client backend'",
    "locks left": "SELECT classid::int, objid::int, mode FROM pg_locks WHERE locktype = 'advisory' AND database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())",
}
MUST_BE_EMPTY = ("blocked", "held leases", "sessions left", "locks left")


@contextmanager
def world(servers: Servers, name: str, pods: Pods) -> Iterator[World]:
    """Make the database, hand it out, drop it."""
    _manage(servers, f"CREATE DATABASE {name} TEMPLATE {servers.template}")
    try:
        yield World(servers, name, pods)
    finally:
        _manage(servers, f"DROP DATABASE {name} WITH (FORCE)")


def _manage(servers: Servers, command: str) -> None:
    with CONNECT(servers.url, autocommit=True) as connection:
        connection.execute(command.encode())
