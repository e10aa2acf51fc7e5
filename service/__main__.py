"""The container's entry: `python -m service`. It reads the settings, builds the service and runs it on two ports.

DATABASE_URL               required, a secret: the database with the overrides
FEEDFALL_CALENDAR_TOKENS   a folder with one file a holder; without it the service is read-only
FEEDFALL_CALENDARS         a file or folder of your own calendars
FEEDFALL_METRICS_PORT      the port of /metrics, 8081 in the container; without it, or 0, there are no metrics
FEEDFALL_TLS_CERT_FILE     a certificate with its chain, PEM; with FEEDFALL_TLS_KEY_FILE. Without both it is plain HTTP
FEEDFALL_TLS_KEY_FILE      the key of that certificate, PEM, without a password
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import business_day
from ledger import databases
from ledger.errors import Failure, Misconfigured
from service.calendar_api.routes import api
from service.certificate import Tls
from service.management import management
from service.metrics import Metrics
from service.server import Endpoint, Limits, listen, run
from service.snapshot import Current
from service.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENTS, PLATFORM = Limits(), Limits(connections=32)
LAST_PORT = 65_535


def serve(host: str, port: int, environ: Mapping[str, str] = os.environ) -> None:
    """Serve until SIGTERM. Raises Misconfigured."""
    current = Current(databases.url(environ, "The overrides are there"), own_calendars(environ))
    tokens = environ.get("FEEDFALL_CALENDAR_TOKENS")
    metrics, metrics_port, tls = Metrics(current), port_of(environ), tls_of(environ)
    app = api(current, Tokens(Path(tokens) if tokens else None), metrics)
    main = Endpoint(app, listen(host, port, CLIENTS), CLIENTS, tls)
    metrics.count_connections(main.listener)
    side = None
    if metrics_port:
        side = Endpoint(management(current, metrics), listen(host, metrics_port, PLATFORM), PLATFORM)
    run(main, side)


def own_calendars(environ: Mapping[str, str]) -> business_day.OwnCalendars:
    """The calendars of FEEDFALL_CALENDARS. Raises Misconfigured."""
    try:
        return business_day.read_own(environ.get("FEEDFALL_CALENDARS", ""))
    except business_day.CalendarError as error:
        raise Misconfigured(str(error)) from error


def port_of(environ: Mapping[str, str]) -> int:
    """The port of the metrics; 0: none. Raises Misconfigured."""
    text = environ.get("FEEDFALL_METRICS_PORT") or "0"
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= LAST_PORT):
        raise Misconfigured(f"FEEDFALL_METRICS_PORT is {text!r}: give a port, or 0 for no metrics")
    return int(text)


def tls_of(environ: Mapping[str, str]) -> Tls | None:
    """The certificate and its key; None for plain HTTP. Raises Misconfigured."""
    certificate, key = environ.get("FEEDFALL_TLS_CERT_FILE"), environ.get("FEEDFALL_TLS_KEY_FILE")
    if bool(certificate) != bool(key):
        raise Misconfigured("FEEDFALL_TLS_CERT_FILE and FEEDFALL_TLS_KEY_FILE go together: set both, or neither")
    return Tls(Path(certificate), Path(key)) if certificate and key else None


if __name__ == "__main__":
    try:
        serve("0.0.0.0", 8080, {"FEEDFALL_METRICS_PORT": "8081", **os.environ})  # noqa: S104 -- in a container
    except Failure as failure:
        sys.exit(str(failure))
