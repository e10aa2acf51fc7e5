"""One Kafka and one PostgreSQL for the whole session; topics and a database of its own for each test."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

import psycopg
import pytest

from bank import Bank, Door, migrated, with_roles
from ledger.rights import Roles
from local.servers.kafka import broker
from local.servers.postgres import database
from local.servers.process import Processes
from local.world import wake_groups
from proof.partner import serving
from proof.scene import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBER = count(1)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(bootstrap servers, URL of a server whose database `template` has the ledger)."""
    folder = tmp_path_factory.mktemp("servers")
    with (
        Processes() as processes,
        database(folder / "postgres", processes, say=print) as url,
        broker(folder / "kafka", processes, say=print) as kafka,
    ):
        if not os.environ.get("STORMS"):
            _spare_the_disk(url)
        wake_groups(kafka)
        _create(url, "template", "template1")
        migrated(_named(url, "template"))
        with_roles(_named(url, "template"))
        yield kafka, url


@pytest.fixture
def bank(servers: tuple[str, str]) -> Iterator[Bank]:
    kafka, url = servers
    name = f"t{next(NUMBER)}"
    _create(url, name, "template")
    yield Bank(kafka, _named(url, name), f"{name}.", Roles())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def door(bank: Bank, capsys: pytest.CaptureFixture[str]) -> Door:
    return Door(bank, capsys)


@pytest.fixture(scope="session")
def stage(servers: tuple[str, str]) -> Iterator[Stage]:
    """Where worlds are played and pods struck: `tests/proof`, and a sample of it in `acceptance/test_struck.py`."""
    with serving() as url:
        yield Stage(*servers, url)


def _spare_the_disk(url: str) -> None:
    """A test kills processes, and no machine: what a server has written is there without fsync too.

    A test's own database is 9 MB of WAL: the disk is what most tests waited for. `make proof` does without this.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")


def _create(url: str, name: str, template: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())


def _named(url: str, name: str) -> str:
    return url.rsplit("/", 1)[0] + "/" + name
