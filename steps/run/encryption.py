"""What a pod says once at its start: a server on another machine is reached without encryption, or unverified."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ledger import address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from steps.run.settings import Settings


def notes(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    """One line for each server; none where all is encrypted, or on this machine. No fault: a network may be private."""
    mode = address.unverified(settings.database_url, environ)
    if mode:
        yield f"note: sslmode={mode} does not verify the database's server: write sslmode=verify-full in DATABASE_URL"
    servers = settings.kafka.get("bootstrap.servers", "").split(",")
    protocol = settings.kafka.get("security.protocol", "PLAINTEXT").upper()
    if protocol.endswith("PLAINTEXT") and not all(address.is_local(_host(each)) for each in servers):
        yield f"note: {protocol} to Kafka is not encrypted: set KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL"


def _host(server: str) -> str:
    name = server.strip().rpartition("://")[2]
    return re.sub(r":\d+$", "", name).strip("[]")
