"""Serves a partner's simulator over HTTP, on 127.0.0.1."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from local.partners.ecb import Ecb


@contextmanager
def partner(ecb: Ecb, address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1, or on `address`, until the block ends; gives the base URL."""
    with _Server(address, _handler(ecb)) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="partner", daemon=True).start()
        try:
            yield f"http://{address[0]}:{server.server_port}/stats/eurofxref/"
        finally:
            server.shutdown()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- socketserver's signature
        """Tell of our own errors only: a client that hangs up in mid-answer is what some tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(ecb: Ecb) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            status, body = ecb.answer(name)
            self.send_response(status)
            self.send_header("Content-Type", "application/zip" if name.endswith(".zip") else "text/xml")
            self.send_header("Content-Length", str(len(body)))
            if status != HTTPStatus.OK and ecb.retry_after:
                self.send_header("Retry-After", ecb.retry_after)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the terminal for the demo; `Ecb.requests` is the log."""

    return Handler
