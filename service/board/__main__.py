"""The container's entry: `python -m service.board`. It reads the settings, connects the ledgers and serves the board.

DATABASE_URL, DATABASE_URL_…     required, secrets: the ledgers, with the role `feedfall_board`
FEEDFALL_FEEDS                   the packages of the feeds, as everywhere
FEEDFALL_BOARD_PLACE             production, test or local: the banner. local (without a sign-in) only on 127.0.0.1
FEEDFALL_BOARD_ISSUER            the OpenID provider; its ID tokens alone are believed
FEEDFALL_BOARD_AUDIENCE          for whom a token must be: oauth2-proxy's client id
FEEDFALL_BOARD_JWKS              the provider's public keys: an https:// address, or a file
FEEDFALL_BOARD_NAME_CLAIM        the claim that names a person in the journal: `email` if absent
FEEDFALL_BOARD_VIEWERS, _OPERATORS, _APPROVERS    groups, with commas between
FEEDFALL_BOARD_KEY_FILE          32 bytes or more that all replicas share: it signs the forms
FEEDFALL_BOARD_ARGO_URL          Argo's own pages, for links
ARGO_SERVER, ARGO_NAMESPACE, ARGO_TOKEN_FILE, ARGO_CA_FILE    for kill, as for the command
FEEDFALL_METRICS_PORT, FEEDFALL_TLS_CERT_FILE, FEEDFALL_TLS_KEY_FILE    as for the calendar service
"""

from __future__ import annotations

import getpass
import ipaddress
import os
import secrets
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import Failure, Misconfigured
from service.__main__ import PLATFORM, port_of, tls_of
from service.board.app import application
from service.board.connect import connect
from service.board.guard import FormTokens
from service.board.html import Pages
from service.board.local_sessions import LocalSessions
from service.board.oidc import read_issuer
from service.board.picture import Current
from service.board.sign_in import ByCookie, ByToken
from service.board.view import Board
from service.desk_side import desk_side
from service.server import Endpoint, Limits, listen, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.types import ASGIApp

    from catalog import Feed
    from service.board.sign_in import SignIn

#: Behind a proxy all connections are of a few addresses.
CLIENTS = Limits(connections=200, peer=100)
PLACES = ("production", "test", "local")
SHORTEST_KEY = 32
IMAGE = {"FEEDFALL_BOARD_PLACE": "production", "FEEDFALL_METRICS_PORT": "8081"}


@dataclass(frozen=True)
class Built:
    """A board that can be served: its application, what it reads, and its feeds."""

    app: ASGIApp
    current: Current
    feeds: Sequence[Feed]


def serve(host: str, port: int, environ: Mapping[str, str] = os.environ, say: Callable[[str], None] = print) -> None:
    """Serve until SIGTERM. Raises Misconfigured."""
    place, tls, side_port = place_of(environ), tls_of(environ), port_of(environ)
    built = build(environ, sign_in_of(environ, place, host, port, say), place)
    main = Endpoint(built.app, listen(host, port, CLIENTS), CLIENTS, tls)
    if not side_port:
        return run(main, None)
    with desk_side(lambda: built.current.picture.desk, built.feeds, environ) as app:
        return run(main, Endpoint(app, listen(host, side_port, PLATFORM), PLATFORM))


def build(environ: Mapping[str, str], sign_in: SignIn, place: str) -> Built:
    """The board of these ledgers. Raises Misconfigured."""
    sources, ledgers = connect(environ)
    current = Current(sources.desk)
    sources = replace(sources, handover=ledgers.handover(current))
    board = Board(sources, current, sign_in, place, Pages())
    return Built(application(board, FormTokens(key_of(environ))), current, ledgers.feeds)


def place_of(environ: Mapping[str, str]) -> str:
    """Which banner. Raises Misconfigured."""
    place = environ.get("FEEDFALL_BOARD_PLACE") or "local"
    if place not in PLACES:
        raise Misconfigured(f"FEEDFALL_BOARD_PLACE is {place!r}: write one of {', '.join(PLACES)}")
    return place


def sign_in_of(environ: Mapping[str, str], place: str, host: str, port: int, say: Callable[[str], None]) -> SignIn:
    """Tokens of an issuer; a printed token for a board of one's own machine alone. Raises Misconfigured."""
    if place != "local" or environ.get("FEEDFALL_BOARD_ISSUER"):
        issuer = read_issuer(environ)
        issuer.keys.follow()
        return ByToken(issuer)
    if not is_loopback(host):
        raise Misconfigured(
            f"a board without a sign-in listens on 127.0.0.1 alone, not on {host}: docs/board.md says how"
        )
    return ByCookie(LocalSessions(getpass.getuser(), lambda token: say(f"http://{host}:{port}/sign-in?token={token}")))


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def key_of(environ: Mapping[str, str]) -> bytes:
    """The key that signs forms; a new one where no file is named: then a restart makes open forms old."""
    file = environ.get("FEEDFALL_BOARD_KEY_FILE")
    if not file:
        return secrets.token_bytes(SHORTEST_KEY)
    try:
        key = Path(file).read_bytes().strip()
    except OSError as error:
        raise Misconfigured(f"FEEDFALL_BOARD_KEY_FILE: {file} cannot be read: {error.strerror}") from error
    if len(key) < SHORTEST_KEY:
        raise Misconfigured(f"FEEDFALL_BOARD_KEY_FILE: {file} has less than {SHORTEST_KEY} bytes")
    return key


if __name__ == "__main__":
    try:
        serve("0.0.0.0", 8080, {**IMAGE, **os.environ})  # noqa: S104 -- in a container
    except Failure as failure:
        sys.exit(str(failure))
