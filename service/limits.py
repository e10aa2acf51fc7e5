"""Refuses a body that is too long for a declaration before it is read: the token is not checked yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.problem import Problem, response_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

MAX_BODY = 16_384
READING = ("GET", "HEAD", "OPTIONS")


class BodyLimit:
    """The application, for requests whose length is known and small."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in READING and _too_long(scope):
            words = f"a request body has at most {MAX_BODY} bytes, and its Content-Length header must be set"
            await response_of(Problem(413, "too-long", words))(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _too_long(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    return b"transfer-encoding" in headers or not length.isdigit() or int(length) > MAX_BODY
