"""What every answer of the board has, and what a change must prove: it comes from a page of the board itself.

Three walls, each enough alone: the cookie is SameSite=Strict, the browser says where a request comes from
(Sec-Fetch-Site, or Origin), and a form carries a token for this person that only the board can make.
"""

from __future__ import annotations

import hmac
import time
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders

from service.problem import READING, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.board.people import Person

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
FORM_LASTS = 3600
"""Seconds after which a form must be opened again."""


class SecurityHeaders:
    """The application, with the headers on each answer. A page is never kept by a cache that others use."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def check_origin(method: str, headers: Headers) -> None:
    """Refuse a change that another site sends. Raises Problem 403."""
    if method in READING:
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    own = site == "same-origin" if site else origin is None or urlsplit(origin).netloc == headers.get("host")
    if not own:
        raise Problem(403, "other-site", "this was sent by another site: open the board itself and do it there")


class FormTokens:
    """Tokens for forms: of one person's sign-in, one verb and target, and one hour. Every replica has the same key."""

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._key, self._clock = key, clock

    def make(self, person: Person, subject: str) -> str:
        """The token of a form about this subject."""
        until = int(self._clock()) + FORM_LASTS
        return f"{until}.{self._sign(person, subject, until)}"

    def check(self, person: Person, subject: str, token: str) -> None:
        """Raises Problem 403."""
        until, _, signature = token.partition(".")
        known = until.isascii() and until.isdigit() and len(until) < 20  # noqa: PLR2004 -- longer is no time
        good = known and hmac.compare_digest(signature.encode(), self._sign(person, subject, int(until)).encode())
        if not good or int(until) < self._clock():
            raise Problem(403, "old-form", "this form is too old, or not of the board: open it again")

    def _sign(self, person: Person, subject: str, until: int) -> str:
        text = "\0".join((person.name, person.session, subject, str(until)))
        return hmac.new(self._key, text.encode(), sha256).hexdigest()


def client_of(scope: Mapping[str, object]) -> str:
    """The address that a request came from: the proxy's, behind one. No header that a client can write."""
    client = scope.get("client")
    return str(client[0]) if isinstance(client, list | tuple) else ""
