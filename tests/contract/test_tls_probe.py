"""TLS on one side only: told from an outage by asking the port in both languages."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest

from steps.drain.tls_probe import mismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bank import Bank, Door

    Serve = Callable[[Callable[[socket.socket], None]], str]

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # has no certificate: it answers each handshake with an alert, in TLS


def alert(client: socket.socket) -> None:
    with pytest.raises(ssl.SSLError):
        TLS.wrap_socket(client, server_side=True)


def hang_up(client: socket.socket) -> None:
    """As a load balancer does that has no broker behind it."""
    client.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A port whose every connection is answered so; its address."""
    servers: list[socket.socket] = []

    def start(answer: Callable[[socket.socket], None]) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def loop() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    answer(client)

        threading.Thread(target=loop, daemon=True).start()
        return f"127.0.0.1:{server.getsockname()[1]}"

    yield start
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.parametrize("protocol", ["", "PLAINTEXT", "SASL_PLAINTEXT"])
def test_mismatch__a_plain_client_at_a_tls_port(serve: Serve, protocol: str) -> None:
    own = {"bootstrap.servers": serve(alert), "security.protocol": protocol or "PLAINTEXT"}
    assert f"speaks TLS, and KAFKA_SECURITY_PROTOCOL is {protocol or 'PLAINTEXT'}" in str(mismatch(own))


@pytest.mark.parametrize("protocol", ["SSL", "sasl_ssl"])
def test_mismatch__a_tls_client_at_a_plain_broker(bank: Bank, protocol: str) -> None:
    own = {"bootstrap.servers": bank.kafka, "security.protocol": protocol}
    assert f"speaks no TLS, and KAFKA_SECURITY_PROTOCOL is {protocol.upper()}" in str(mismatch(own))


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
def test_mismatch__a_port_without_a_broker_is_an_outage(serve: Serve, protocol: str) -> None:
    assert mismatch({"bootstrap.servers": serve(hang_up), "security.protocol": protocol}) is None
    assert mismatch({"bootstrap.servers": "127.0.0.1:1", "security.protocol": protocol}) is None


def test_mismatch__is_none_where_both_agree(bank: Bank, serve: Serve) -> None:
    assert mismatch({"bootstrap.servers": bank.kafka}) is None
    assert mismatch({"bootstrap.servers": serve(alert), "security.protocol": "SSL"}) is None


def test_tls__only_this_client_speaks_it_and_needs_a_person(bank: Bank, door: Door) -> None:
    done = door("sub", "--feed=tick", KAFKA_SECURITY_PROTOCOL="SSL")
    assert (done.exit, "speaks no TLS" in done.words["reason"]) == (78, True)


def test_tls__only_the_broker_speaks_it_and_needs_a_person(serve: Serve, door: Door) -> None:
    done = door("sub", "--feed=tick", KAFKA_BOOTSTRAP_SERVERS=serve(alert))
    assert (done.exit, "speaks TLS" in done.words["reason"]) == (78, True)
