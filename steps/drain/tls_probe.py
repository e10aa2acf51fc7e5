"""Does a broker speak TLS where this client does not, or the other way round? Called only after a call has failed.

librdkafka cannot tell a wrong security.protocol from a load balancer without a broker behind it: in both cases the
connection opens and is closed. The one needs a person and the other time, so the port is tried in both languages.
"""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 3.0
#: A length, ApiVersions (18) in version 0, correlation id 1, no client id: every Kafka answers it.
API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)


def mismatch(kafka: Mapping[str, str]) -> str | None:
    """What is wrong with security.protocol, in a sentence; None: nothing, or nothing that shows from here."""
    address = kafka.get("bootstrap.servers", "").split(",")[0].strip()
    protocol = kafka.get("security.protocol", "PLAINTEXT").upper()
    try:
        if protocol.endswith("SSL") and _answers_in_plaintext(address):
            return f"{address} speaks no TLS, and KAFKA_SECURITY_PROTOCOL is {protocol}"
        if not protocol.endswith("SSL") and _answers_in_tls(address):
            return f"{address} speaks TLS, and KAFKA_SECURITY_PROTOCOL is {protocol}"
    except (OSError, ValueError):
        return None
    return None


def _answers_in_plaintext(address: str) -> bool:
    with _connect(address) as wire:
        wire.sendall(API_VERSIONS)
        return wire.recv(8)[4:8] == API_VERSIONS[8:12]


def _answers_in_tls(address: str) -> bool:
    """A handshake, or an alert that says why there is none: both are TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent, nothing is believed
    with _connect(address) as wire:
        try:
            context.wrap_socket(wire).close()
        except ssl.SSLError as error:
            return "ALERT" in (error.reason or "")
    return True


def _connect(address: str) -> closing[socket.socket]:
    host, _, port = address.rpartition(":")
    return closing(socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS))
