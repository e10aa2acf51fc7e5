"""A wire that can be cut: TCP on 127.0.0.1 between a client and a server, with the faults that networks have."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Self


class Proxy:
    """through · refusing (accepts and hangs up) · silent (accepts, and nothing arrives) · late · dripping."""

    def __init__(self) -> None:
        self.target = ("127.0.0.1", 0)
        self.refusing = False
        self.late = 0.0
        self.drip = 65536
        """Bytes that arrive at once, each `late` seconds after those before."""
        self.carried = 0
        self.cut_after: int | None = None
        """Cut everything once, when so many bytes have come back from the server."""
        self._speaks = threading.Event()
        self._speaks.set()
        self._ends: set[socket.socket] = set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def port(self) -> int:
        port: int = self._server.getsockname()[1]
        return port

    def lead_to(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.target = (host, int(port))

    def silence(self) -> None:
        self._speaks.clear()

    def heal(self) -> None:
        self.refusing, self.late, self.drip, self.cut_after = False, 0.0, 65536, None
        self._speaks.set()

    def cut(self) -> None:
        """Hang up on everybody."""
        for end in list(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.refusing = True
        self._speaks.set()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                if self.refusing:
                    raise ConnectionRefusedError
                server = socket.create_connection(self.target, 5)
            except OSError:
                client.close()
                continue
            for source, sink, back in ((client, server, False), (server, client, True)):
                self._ends.add(source)
                source.settimeout(None)
                threading.Thread(target=self._carry, args=(source, sink, back), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, back: bool) -> None:  # noqa: FBT001 -- which way
        with suppress(OSError):
            while data := source.recv(65536):
                self._pass_on(data, sink)
                self.carried += len(data) if back else 0
                if self.cut_after is not None and self.carried > self.cut_after:
                    self.cut_after = None
                    self.cut()
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.discard(source)
        source.close()

    def _pass_on(self, data: bytes, sink: socket.socket) -> None:
        for start in range(0, len(data), self.drip):
            self._speaks.wait()
            time.sleep(self.late)
            sink.sendall(data[start : start + self.drip])
