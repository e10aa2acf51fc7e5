"""Kafka and PostgreSQL of their own, each behind a proxy, which can be stopped and started again."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import psycopg

from bank import Bank, migrated
from faults.proxy import Proxy
from local.servers.kafka import broker
from local.servers.postgres import database
from local.servers.process import Processes, free_port
from local.world import wake_groups

if TYPE_CHECKING:
    from pathlib import Path

#: What the broker tells its clients is the proxy's address; a user `pod` who may do nothing yet; a busy cleaner.
MORE = """
listeners=PLAINTEXT://127.0.0.1:{{port}},SASL_PLAINTEXT://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{{controller}}
advertised.listeners=PLAINTEXT://127.0.0.1:{proxy},SASL_PLAINTEXT://127.0.0.1:{sasl}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_pod="pod";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
log.cleaner.backoff.ms=100
"""


class Wired:
    """The two servers and their wires."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack, self._kafka_stack, self._database_stack = ExitStack(), ExitStack(), ExitStack()
        self._sasl = free_port()

    def __enter__(self) -> Self:
        self._processes = self._stack.enter_context(Processes())
        self.kafka, self.database = (self._stack.enter_context(Proxy()) for _ in range(2))
        try:
            self.start_database()
            self.start_kafka()
            wake_groups(self.kafka_address)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()
        self.stop_kafka()
        self.stop_database()
        self._stack.close()

    @property
    def kafka_address(self) -> str:
        return f"127.0.0.1:{self.kafka.port}"

    def secured(self, password: str) -> dict[str, str]:
        """The environment of a pod whose user may do nothing that was not granted."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.sasl_address,
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_USERNAME": "pod",
            "KAFKA_SASL_PASSWORD": password,
        }

    @property
    def sasl_address(self) -> str:
        return f"127.0.0.1:{self._sasl}"

    def start_kafka(self) -> None:
        more = MORE.format(sasl=self._sasl, proxy=self.kafka.port)
        started = broker(self._folder / "kafka", self._processes, say=print, more=more)
        self.kafka.lead_to(self._kafka_stack.enter_context(started))

    def segments(self, topic: str) -> list[Path]:
        """The files of a topic's first partition, for who wants to change them while the broker is down."""
        return sorted((self._folder / "kafka" / "data" / f"{topic}-0").glob("*.log"))

    def cut_off(self, topic: str, offset: int) -> None:
        """Lose a partition's tail, as a leader does that was behind, while the broker is down. A batch a message."""
        [segment] = self.segments(topic)
        data, at = segment.read_bytes(), 0
        while int.from_bytes(data[at : at + 8], "big") < offset:
            at += 12 + int.from_bytes(data[at + 8 : at + 12], "big")
        segment.write_bytes(data[:at])
        clean = self._folder / "kafka" / "data" / ".kafka_cleanshutdown"
        for derived in (clean, *segment.parent.glob("*index"), *segment.parent.glob("*.snapshot")):
            derived.unlink(missing_ok=True)

    def stop_kafka(self) -> None:
        self._kafka_stack.close()

    def start_database(self) -> None:
        started = database(self._folder / "postgres", self._processes, say=print)
        self._direct = self._database_stack.enter_context(started)
        self.database.lead_to(self._direct.rsplit("@", 1)[1].split("/")[0])

    def stop_database(self) -> None:
        self._database_stack.close()

    def direct(self, name: str) -> str:
        """A database's URL that leads past the proxy."""
        return self._direct.rsplit("/", 1)[0] + "/" + name

    def bank(self, name: str) -> Bank:
        with psycopg.connect(self._direct, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        migrated(self.direct(name))
        user = self._direct.rsplit("@", 1)[0]
        return Bank(self.kafka_address, f"{user}@127.0.0.1:{self.database.port}/{name}", f"{name}.")

    def heal(self) -> None:
        self.kafka.heal()
        self.database.heal()
