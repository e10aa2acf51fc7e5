"""What a command does where the service is away, or where another server than ours answers."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from desk_service import OPERATOR, DeskService
from local.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def nobody(tmp_path: Path) -> DeskService:
    """An address where nobody listens."""
    return DeskService(f"http://127.0.0.1:{free_port()}", tmp_path)


@pytest.mark.parametrize("words", [("runs",), ("hold", "fx", "--reason", "x")])
def test_service__that_is_away_is_75_and_says_what_is_not_known(nobody: DeskService, words: tuple[str, ...]) -> None:
    code, stdout, stderr = nobody.run(*words)
    assert (code, stdout, "FEEDFALL_URL does not answer" in stderr) == (75, "", True)
    assert ("the same command again is safe" in stderr) == (words[0] == "hold")


def test_rerun__whose_answer_is_lost_names_its_key(nobody: DeskService) -> None:
    code, _, stderr = nobody.run("submit", "fx", "--rerun", "--reason", "x", FEEDFALL_KEY="k7")
    assert (code, "FEEDFALL_KEY=k7 before the same command does it once" in stderr) == (75, True)


def test_submit__waits_for_a_service_that_is_away_as_long_as_its_patience(nobody: DeskService) -> None:
    code, _, stderr = nobody.run("submit", "fx", "--wait", "--patience=1s")
    assert (code, "retrying for 1 s" in stderr) == (75, True)


ESC = "\x1b[2J"


@pytest.mark.parametrize(
    ("status", "headers", "body", "code"),
    [
        (302, {"Location": "http://127.0.0.1:1/"}, b"", 78),  # the token does not follow it
        (502, {"Content-Type": "text/html"}, b"<h1>Bad Gateway</h1>", 75),
        (200, {"Content-Type": "text/html"}, b"<h1>sign in</h1>", 75),
        (200, {}, b"[]", 75),
        (200, {}, b'{"exit": "none", "stdout": []}', 75),
        (200, {}, b'{"exit": 700, "stdout": []}', 75),
        (200, {}, b'{"exit": 0, "stdout": "text"}', 75),
        (200, {"Content-Encoding": "gzip"}, b"x", 75),
        (404, {}, b'{"detail": "\\u001b[2J"}', 78),
        (500, {}, b'{"detail": "a bug"}', 70),
        (200, {}, b'{"exit": 0, "stdout": ["a' + b"a" * 9_000_000 + b'"]}', 75),
        (200, {}, b'{"exit": null, "stdout": [], "stderr": []}', 78),  # it waits, and was not told to
    ],
)
def test_answer__that_is_not_ours_is_never_taken_for_one(
    tmp_path: Path, status: int, headers: dict[str, str], body: bytes, code: int
) -> None:
    with stranger(status, headers, body) as url:
        found, stdout, stderr = DeskService(url, tmp_path).run("hold", "fx", "--reason", "x")
    assert (found, stdout, OPERATOR in stderr, ESC in stderr) == (code, "", False, False)


def test_answer__is_shown_without_what_a_terminal_would_obey(tmp_path: Path) -> None:
    with stranger(200, {}, b'{"exit": 0, "stdout": ["\\u001b[2J", "\\u202e"], "stderr": ["\\u0007"]}') as url:
        assert DeskService(url, tmp_path).run("runs") == (0, "\\x1b[2J\n\\u202e\n", "\\x07\n")


@contextmanager
def stranger(status: int, headers: dict[str, str], body: bytes) -> Iterator[str]:
    """A server that answers every request so."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 -- the server's own names

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
