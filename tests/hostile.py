"""Servers that answer on purpose as no honest one does: over real sockets, byte by byte, for as long as they like."""

from __future__ import annotations

import gzip
import time
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

Send = Callable[[bytes], None] if TYPE_CHECKING else None


class Hostile:
    """Answers each connection by `script`, which is handed a function that sends bytes at once."""

    def __init__(self, script: Callable[[Send], None]) -> None:
        self.script = script
        self.connections = 0
        self.reached = Event()


@contextmanager
def serving(script: Callable[[Send], None], tls: ssl.SSLContext | None = None) -> Iterator[tuple[Hostile, str]]:
    """The server on a port of its own, and its URL."""
    hostile = Hostile(script)

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            hostile.connections += 1
            hostile.reached.set()
            length = 0
            while (line := self.rfile.readline(2**16).strip()) and line:
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            self.rfile.read(length)
            with suppress(OSError):  # the client has hung up: that is what is wanted of it
                hostile.script(self.connection.sendall)

    class Server(ThreadingTCPServer):
        daemon_threads, allow_reuse_address, block_on_close = True, True, False

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield hostile, f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()


def answer(body: bytes, *headers: str, status: str = "200 OK", length: bool = True) -> Callable[[Send], None]:
    """A whole answer, sent at once."""
    lines = [f"HTTP/1.1 {status}", *headers, *([f"Content-Length: {len(body)}"] if length else []), "", ""]
    return lambda send: send("\r\n".join(lines).encode("latin-1") + body)


def dripping(send: Send) -> None:
    """A body that never ends, a byte at a time: no single read is ever late."""
    send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        send(b" ")
        time.sleep(0.05)


def dripping_headers(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        send(b"x")
        time.sleep(0.05)


def early_hints(send: Send) -> None:
    """`103 Early Hints` for ever: each is a whole answer, and none is the last."""
    while True:
        send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        time.sleep(0.05)


def close_delimited(send: Send) -> None:
    """A body that ends where the connection does: an end forced by us looks like a whole one."""
    send(b"HTTP/1.1 200 OK\r\n\r\n{}")
    while True:
        send(b" ")
        time.sleep(0.05)


def silent(send: Send) -> None:
    del send
    time.sleep(3600)


def flood(send: Send) -> None:
    """As many bytes as are taken, in chunks of HTTP."""
    send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        send(b"10000\r\n" + b" " * 2**16 + b"\r\n")


def twice_packed(size: int = 2**28) -> bytes:
    """So many zeros as gzip in gzip: 256 MiB are 1 kB."""
    return gzip.compress(gzip.compress(bytes(size), compresslevel=1, mtime=0), mtime=0)
