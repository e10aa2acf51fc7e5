"""Serves the desk's interface on a port, with the limits and the TLS of every service of ours.

FEEDFALL_DESK_TOKENS     required: a folder with one file a holder
FEEDFALL_TLS_CERT_FILE   and FEEDFALL_TLS_KEY_FILE: required, but for an address of this machine alone
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import Misconfigured
from service.__main__ import tls_of
from service.desk_api.routes import api
from service.desk_api.tokens import SETTING, DeskTokens
from service.server import Endpoint, Limits, listen, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from service.desk_api.verbs import Verb

#: A scheduler's one host waits for many feeds at once.
CLIENTS = Limits(connections=400, peer=300)
LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(host: str, port: int, environ: Mapping[str, str], verbs: Iterable[Verb]) -> None:
    """Serve until SIGTERM. Raises Misconfigured."""
    folder, tls = environ.get(SETTING), tls_of(environ)
    if not folder:
        raise Misconfigured(
            f"not set: {SETTING}, a folder with one file for each person or program that may use the desk"
        )
    if tls is None and host not in LOCAL:
        raise Misconfigured("the desk takes tokens: set FEEDFALL_TLS_CERT_FILE and FEEDFALL_TLS_KEY_FILE")
    run(Endpoint(api(verbs, DeskTokens(Path(folder))), listen(host, port, CLIENTS), CLIENTS, tls), None)
