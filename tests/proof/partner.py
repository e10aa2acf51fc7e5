"""The proof's partner: a document a base date, and nothing on every fifth day. Both ends of the wire."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

from catalog.partner import Answer, Empty, Request, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import httpx

URL = "http://nowhere.invalid/"


def rows_of(day: date) -> list[dict[str, Any]]:
    """What the partner has of a day: the oracle of everything that is asked for."""
    if day.day % 5 == 0:
        return []
    return [{"base_date": day.isoformat(), "code": code, "price": f"{day.day}.{code[1]}"} for code in ("C1", "C2")]


def partner(client: httpx.Client, now: datetime) -> Asker:
    return Asker(client)


class Asker:
    """The adapter that relay calls."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def ask(self, request: Request) -> Answer:
        response = self._client.get(request.base_date.isoformat())
        response.raise_for_status()
        found = response.json()
        return Rows(found) if found else Empty("nothing today", expected=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps(rows_of(date.fromisoformat(self.path.rsplit("/", 1)[-1]))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 64

    def handle_error(self, *_: object) -> None:
        """A client that is killed breaks its connection: that is what it is here for."""


@contextmanager
def serving() -> Iterator[str]:
    """Serve on 127.0.0.1 until the block ends."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
