"""Kafka and PostgreSQL for a benchmark: topics filled once, a fresh database for every repetition."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import psycopg
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # it is re-exported

from catalog import find
from ledger import schema
from ledger.database import connect
from local.servers.kafka import broker
from local.servers.postgres import database
from local.servers.process import Processes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGES = ("feeds", "benchmarks.bench_feeds")


@dataclass
class Servers:
    """Where they are. `url` is the server's own database; `template` has the ledger and every feed's table."""

    kafka: str
    url: str
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """A database of its own, settled on disk before anybody is timed; the one before must not be paid for."""
        name = f"b{next(self.numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE template")
        self._run("CHECKPOINT")
        try:
            yield self.named(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def named(self, name: str) -> str:
        return self.url.rsplit("/", 1)[0] + "/" + name

    def environment(self, url: str) -> dict[str, str]:
        """A pod's, and nothing else: the caller's PYTHON… settings would change what is measured."""
        return {
            "PATH": os.defpath,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "DATABASE_URL": url,
            "FEEDFALL_FEEDS": ",".join(PACKAGES),
        }

    def create_topics(self, **partitions: int) -> None:
        admin = AdminClient({"bootstrap.servers": self.kafka})
        made = [NewTopic(f"{feed}.response", number, 1) for feed, number in partitions.items()]
        for future in admin.create_topics(made, operation_timeout=10).values():
            future.result()

    def version(self) -> str:
        with psycopg.connect(self.url) as connection:
            return f"PostgreSQL {connection.info.parameter_status('server_version')}"

    def _run(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    def say(words: str) -> None:
        print(words, file=sys.stderr)

    with (
        Processes() as processes,
        database(folder / "postgres", processes, say=say) as url,
        broker(folder / "kafka", processes, say=say) as kafka,
    ):
        found = Servers(kafka, url)
        found._run("CREATE DATABASE template")  # noqa: SLF001 -- its own maker
        connection = connect(found.named("template"), "migrate")
        schema.migrate(connection, find.every(PACKAGES))
        connection.close()
        yield found
