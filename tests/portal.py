"""data.go.kr over real HTTP: it answers what it is told to, and keeps what it was asked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit


def rows(*days: tuple[int, str], flag: str = "Y") -> list[dict[str, object]]:
    return [{"dateKind": "01", "dateName": name, "isHoliday": flag, "locdate": day, "seq": 1} for day, name in days]


def answer(items: list[dict[str, object]], total: int | None = None) -> str:
    body = {
        "items": {"item": items},
        "numOfRows": 100,
        "pageNo": 1,
        "totalCount": len(items) if total is None else total,
    }
    return json.dumps({"response": {"header": {"resultCode": "00", "resultMsg": "NORMAL SERVICE."}, "body": body}})


@dataclass
class Portal:
    """What the service answers, one after the other and the last one for ever; and what it was asked."""

    answers: list[tuple[int, str]]
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def answer(self, target: str) -> tuple[int, str]:
        url = urlsplit(target)
        self.paths.append(url.path)
        self.asked.append(parse_qs(url.query))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def serving(*answers: tuple[int, str]) -> Iterator[tuple[Portal, str]]:
    """The portal on a port of its own, and its address."""
    portal = Portal(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = portal.answer(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield portal, f"http://127.0.0.1:{server.server_port}/service/"
    finally:
        server.shutdown()
        server.server_close()
