"""Refuses what is too long to be a declaration, before it is read: nobody has shown a token yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.problem import Problem, answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LONGEST = 16_384
READS = ("GET", "HEAD", "OPTIONS")


class Bounded:
    """The application, for requests that say how long they are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in READS and _too_long(scope):
            said = f"a request's body is at most {LONGEST} bytes, and Content-Length says how long it is"
            await answer(Problem(413, "too-long", said))(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _too_long(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    return b"transfer-encoding" in headers or not length.isdigit() or int(length) > LONGEST
