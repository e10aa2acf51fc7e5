"""A small bank for tests: real Kafka, a real PostgreSQL, its own topics and database, and hands to use them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from catalog import Envelope, find
from catalog.message import correlation
from ledger import schema, verify
from ledger.database import connect
from ledger.rights import Roles
from steps.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date

ROOT = Path(__file__).parent.parent
PACKAGES = ("feeds", "sample_feeds")


@dataclass(frozen=True)
class Ended:
    """How a stage ended: its exit code, its RESULT line's words, and what it printed."""

    exit: int
    words: dict[str, str]
    stdout: str
    stderr: str

    @property
    def status(self) -> str:
        return self.words["status"]

    def counts(self, *names: str) -> list[int]:
        return [int(self.words[name]) for name in names]


def ended(code: int, stdout: str, stderr: str) -> Ended:
    """Exactly one RESULT line, and it is the last."""
    lines = stdout.splitlines()
    assert [line for line in lines if line.startswith("RESULT ")] == lines[-1:], (stdout, stderr)
    print(stdout, stderr, sep="\n")  # pytest shows it where the test fails
    words = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', lines[-1])
    return Ended(code, {key: json.loads(word) if word[0] == '"' else word for key, word in words}, stdout, stderr)


class Bank:
    """Topics under a prefix of their own, and a database of their own."""

    def __init__(self, kafka: str, url: str, prefix: str, roles: Roles | None = None) -> None:
        self.kafka, self.url, self.prefix, self.roles = kafka, url, prefix, roles
        self.pod_url = as_role(url, roles.pod) if roles else url
        self.environ = {  # of a person at the keyboard
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "DATABASE_URL": as_role(url, roles.operator) if roles else url,
            "FEEDFALL_TOPIC_PREFIX": prefix,
            "FEEDFALL_FEEDS": ",".join(PACKAGES),
        }
        self.admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
        # Idempotent: else a batch that is sent again may come after the one behind it.
        self.producer = Producer(
            {"bootstrap.servers": kafka, "linger.ms": 1, "log_level": 0, "enable.idempotence": True}
        )

    def topic(self, feed: str, kind: str = "response") -> str:
        return find.load(feed, PACKAGES).topic(kind, self.prefix)

    def create(self, feed: str, partitions: int = 2, **config: str) -> None:
        """The feed's three topics."""
        self.create_topics({self.topic(feed, kind): partitions for kind in ("request", "response", "bell")}, **config)

    def create_topics(self, topics: Mapping[str, int], **config: str) -> None:
        made = [NewTopic(name, count, 1, config=config) for name, count in topics.items()]
        for future in self.admin.create_topics(made, operation_timeout=10).values():
            future.result()
        names = TopicCollection(list(topics))  # the controller has them before the broker tells of them
        eventually(lambda: not any(each.exception() for each in self.admin.describe_topics(names).values()))

    def delete_topic(self, name: str) -> None:
        """Gone when this returns, so that it can be made anew."""
        for future in self.admin.delete_topics([name], operation_timeout=10).values():
            future.result()
        eventually(lambda: name not in self.admin.list_topics(timeout=10).topics)

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        **where: int,
    ) -> None:
        failed: list[Any] = []

        def delivered(error: object, _: object) -> None:
            failed.extend([error] if error else [])

        self.producer.produce(topic, value, key, headers=list(headers), on_delivery=delivered, **where)
        self.producer.flush(10)
        assert not failed, failed

    def respond(
        self,
        feed: str,
        rows: Iterable[Mapping[str, Any]],
        base_date: date | None = None,
        seq: int = 1,
        write: Callable[[Envelope], list[tuple[str, bytes]]] = Envelope.headers,
    ) -> None:
        """An answer in our own form, as relay writes it, but without a transaction."""
        rows = list(rows)
        known = correlation(feed, base_date, seq) if base_date else None
        headers = write(Envelope(known, base_date, seq, count=len(rows) if known else None))
        loaded = find.load(feed, PACKAGES)
        for row in rows:
            key = "|".join(str(row.get(name)) for name in loaded.key).encode() or None
            self.producer.produce(self.topic(feed), json.dumps(row).encode(), key, headers=headers)
        self.producer.flush(10)

    def step(self, *words: str, **environ: str) -> Ended:
        """A stage as a process of its own, as a pod runs it."""
        command = [sys.executable, "-m", "steps", *words]
        done = subprocess.run(
            command, env=self.pod(**environ), capture_output=True, text=True, timeout=120, cwd=ROOT, check=False
        )
        return ended(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """The same, not waited for."""
        command = [sys.executable, "-m", "steps", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.pod(**environ), stdout=pipe, stderr=pipe, text=True, cwd=ROOT)

    def pod(self, **more: str) -> dict[str, str]:
        """The environment of a pod: with a pod's rights in the database."""
        return self.environment(**{"DATABASE_URL": self.pod_url, **more})

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, **self.environ, "PYTHONPATH": str(ROOT / "tests"), **more}

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Look into the database."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, query: str, *values: object) -> Any:  # noqa: ANN401 -- whatever was asked for
        return self.rows(query, *values)[0][0]

    def act(self, role: str, statement: str) -> int:
        """What a role does in its own words; how many rows it touched."""
        with psycopg.connect(as_role(self.url, role), autocommit=True) as connection:
            return connection.execute(statement.encode()).rowcount

    def broken(self, feed: str) -> list[str]:
        """What `verify` says of the feed's ledger."""
        connection = connect(self.url, "verify")
        try:
            return list(verify.verify(connection, find.load(feed, PACKAGES)).broken)
        finally:
            connection.close()


class Door:
    """The stages' door, called in this process: as quick as a function call, with everything a pod does."""

    def __init__(self, bank: Bank, capsys: Any) -> None:  # noqa: ANN401 -- pytest's own
        self._bank, self._capsys = bank, capsys

    def __call__(self, *words: str, **environ: str) -> Ended:
        self._capsys.readouterr()
        code = main(list(words), {**self._bank.environ, "DATABASE_URL": self._bank.pod_url, **environ})
        printed = self._capsys.readouterr()
        return ended(code, printed.out, printed.err)


def migrated(url: str) -> None:
    """Give a database the ledger and every feed's table."""
    connection = connect(url, "migrate")
    schema.migrate(connection, find.every(PACKAGES))
    connection.close()


def as_role(url: str, role: str) -> str:
    """The same database, for another login. In tests a role's password is its name."""
    return re.sub(r"//[^@]+@", f"//{role}:{role}@", url)


def with_roles(url: str) -> Roles:
    """Give a database the five roles, with logins, and just the rights that `feedfall schema` prints."""
    roles = Roles()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("".join(schema.rights_only(find.every(PACKAGES), roles)).encode())
        for name in roles.names():
            connection.execute(f"ALTER ROLE {name} LOGIN PASSWORD '{name}'".encode())
    return roles


def hasten(bank: Bank) -> None:
    """The time of every deferred request has come."""
    bank.rows("UPDATE feedfall.request SET retry_at = clock_timestamp() WHERE retry_at IS NOT NULL")


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for what must come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def committed(bank: Bank, topic: str) -> list[Message]:
    """Every message that a reader of committed records sees, by partition and offset."""
    own = {"bootstrap.servers": bank.kafka, "group.id": "tests", "isolation.level": "read_committed", "log_level": 0}
    consumer = Consumer({**own, "enable.partition.eof": True, "enable.auto.commit": False, "fetch.wait.max.ms": 20})
    partitions = list(consumer.list_topics(topic, 10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    found: list[Message] = []
    ends = 0
    while ends < len(partitions):
        message = consumer.poll(10)
        assert message, f"{topic} does not answer"
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()  # noqa: SLF001 -- so named
            ends += 1
        else:
            found.append(message)
    consumer.close()
    return sorted(found, key=lambda each: (each.partition(), each.offset()))
