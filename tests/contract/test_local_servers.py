"""Kafka and PostgreSQL as `feedfall local` starts them: real servers, two of each side by side."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from local.servers import kafka, postgres
from local.servers.process import Processes

Servers = tuple[Path, list[str], list[str]]  # their folder, the brokers, the databases


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        processes = stack.enter_context(Processes())
        brokers = [stack.enter_context(kafka.broker(folder / f"k{n}", processes, say=print)) for n in range(2)]
        databases = [stack.enter_context(postgres.database(folder / f"p{n}", processes, say=print)) for n in range(2)]
        yield folder, brokers, databases


def test_broker__two_answer_side_by_side(servers: Servers) -> None:
    folder, brokers, _ = servers
    assert len(set(brokers)) == 2
    for number, address in enumerate(brokers):
        host, port = address.split(":")
        assert host == "127.0.0.1"
        assert api_versions(host, int(port)) == 0
        assert "Kafka Server started" in (folder / f"k{number}" / "kafka.log").read_text()


def test_broker__each_has_a_cluster_id_of_its_own(servers: Servers) -> None:
    folder, *_ = servers
    ids = {re.search("cluster.id=(.+)", (folder / k / "data/meta.properties").read_text())[1] for k in ("k0", "k1")}
    assert len(ids) == 2


def test_broker__is_asked_for_a_topic_before_it_makes_one(servers: Servers) -> None:
    folder, *_ = servers
    assert "auto.create.topics.enable=false" in (folder / "k0" / "server.properties").read_text()


def test_database__two_answer_side_by_side(servers: Servers) -> None:
    _, _, databases = servers
    ports = {asked(url, "SHOW port") for url in databases}
    assert len(ports) == 2


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),  # what we prove about durability is proven here
        ("full_page_writes", "on"),
        ("server_encoding", "UTF8"),
        ("listen_addresses", "127.0.0.1"),
        ("max_connections", "100"),
        ("max_wal_size", "2GB"),
    ],
)
def test_database__setting(servers: Servers, setting: str, value: str) -> None:
    assert asked(servers[2][0], f"SHOW {setting}") == value


def test_database__refuses_a_stranger(servers: Servers) -> None:
    stranger = re.sub(":[0-9a-f]{32}@", ":guess@", servers[2][0])
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(stranger)


def test_servers__keep_their_data_over_a_restart(tmp_path: Path) -> None:
    identity, tmp_path = [], tmp_path / "내 폴더"  # a person's folder may have a space and a name in Korean
    for _ in range(2):
        with Processes() as processes, kafka.broker(tmp_path / "k", processes, say=print):
            identity.append((tmp_path / "k/data/meta.properties").read_text())
        with postgres.database(tmp_path / "p", None, say=print) as url:
            identity.append(asked(url, "SELECT system_identifier FROM pg_control_system()"))
    assert identity[:2] == identity[2:]


def api_versions(host: str, port: int) -> int:
    """The error code of Kafka's own first answer (ApiVersions v0), spoken without a client library."""
    request = b"\x00\x12\x00\x00" + b"\x00\x00\x00\x07" + b"\xff\xff"
    with socket.create_connection((host, port), timeout=5) as wire:
        wire.sendall(len(request).to_bytes(4, "big") + request)
        answer = wire.recv(4096)
    assert answer[4:8] == b"\x00\x00\x00\x07"
    return int.from_bytes(answer[8:10], "big")


def asked(url: str, query: str) -> str:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchone()[0]
