"""Serves a partner's simulator over HTTP, on 127.0.0.1, and says what a simulator is.

    with serve_simulator(simulator) as url:      # the base URL, for the partner's adapter, in place of the real one
        httpx.get(url + "a-document")

Called by `local.world` and the tests; `local.partners.simulators` finds the simulators.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar, Protocol
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Call:
    """One request as it arrived. `path`: below the simulator's PATH; `query`: each name with all its values."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What the simulator sends back. Content-Length is added."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Simulator(Protocol):
    """One partner in place of the real one. It may misbehave on purpose, by its own fields."""

    PATH: ClassVar[str]
    """What the partner's URL has after the host, with a / at both ends."""
    requests: list[str]
    """The paths requested so far, in order: its log."""

    def answer(self, call: Call) -> Reply:
        """Answer one request. Called from several threads at once."""


@contextmanager
def serve_simulator(simulator: Simulator, address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1, or on `address`, until the block ends; gives the base URL."""
    with _Server(address, _handler(simulator)) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="partner", daemon=True).start()
        try:
            yield f"http://{address[0]}:{server.server_port}{simulator.PATH}"
        finally:
            server.shutdown()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- socketserver's signature
        """Report our own errors only: a client that hangs up in mid-answer is what some tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(simulator: Simulator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if url.path.startswith(simulator.PATH):
                path = unquote(url.path.removeprefix(simulator.PATH))
                call = Call(self.command, path, parse_qs(url.query, keep_blank_values=True), dict(self.headers), body)
                self._send(simulator.answer(call))
            else:
                self._send(Reply(HTTPStatus.NOT_FOUND))

        do_POST = do_GET  # noqa: N815 -- http.server's names

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            """Keep the terminal for the demo; `requests` is the log."""

    return Handler
