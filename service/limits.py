"""Refuses a body that is too long for a declaration before it is read: the token is not checked yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.problem import READING, Problem, response_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from service.refusals import RefusalLog

MAX_BODY = 16_384


class BodyLimit:
    """The application, for requests whose length is known and small."""

    def __init__(self, app: ASGIApp, log: RefusalLog) -> None:
        self._app, self._log = app, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in READING and _too_long(scope):
            words = f"a request body has at most {MAX_BODY} bytes, and its Content-Length header must be set"
            problem = Problem(413, "too-long", words)
            self._log.add(scope, problem)
            await response_of(problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _too_long(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    if b"transfer-encoding" in headers or not length.isdigit() or len(length) > len(str(MAX_BODY)):
        return True
    return int(length) > MAX_BODY
