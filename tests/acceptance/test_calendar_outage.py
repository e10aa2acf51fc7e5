"""A calendar service that answers with nonsense is an outage for pub and the sweep, never an internal error."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bank import Bank, Door

OPEN_DAY = "2026-10-30"


class Nested(BaseHTTPRequestHandler):
    """A service whose every answer is JSON that no parser can follow; a 404 where the path says so."""

    def do_GET(self) -> None:
        body = b"[" * 200_000
        self.send_response(404 if "/missing/" in self.path else 200)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def nested() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Nested) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("path", ["", "/missing"])
def test_gate__an_answer_that_no_parser_can_follow_is_an_outage(bank: Bank, door: Door, nested: str, path: str) -> None:
    bank.create("fx")
    url = {"FEEDFALL_CALENDAR_URL": f"{nested}{path}"}
    done = door("pub", "--feed=fx", f"--base-date={OPEN_DAY}", **url)
    assert (done.exit, done.status) == (75, "FAILED")
    assert "there is no copy of calendar TARGET yet" in done.words["reason"]
    swept = door("sweep", ARGO_SERVER="http://127.0.0.1:1", ARGO_NAMESPACE="x", **url)
    assert swept.exit != 70, swept.stdout
    assert "CALENDAR TARGET: the " in swept.stdout
