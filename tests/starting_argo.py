"""An Argo Server that starts whatever a sweep asks for, and remembers it."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Argo:
    """Starts everything, but for the templates whose answer says otherwise."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.answers: dict[str, tuple[int, object]] = {}
        self.before_answer: Callable[[], object] = lambda: None
        argo = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                template = body["resourceName"]
                argo.before_answer()
                status, answer = argo.answers.get(template, (200, {"metadata": {}}))
                if status == 200 and isinstance(answer, dict):
                    argo.started.append(template)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def environ(self) -> dict[str, str]:
        return {"ARGO_SERVER": f"http://127.0.0.1:{self.server.server_address[1]}", "ARGO_NAMESPACE": "bank"}


@contextmanager
def serving(argo: Argo) -> Iterator[None]:
    thread = threading.Thread(target=argo.server.serve_forever, args=(0.01,))
    thread.start()
    yield
    argo.server.shutdown()
    argo.server.server_close()
    thread.join()
