"""The end of an HTTP request whose answer takes too long: whoever waits to read from its connection wakes up."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping


class LateAnswer(httpx.ReadTimeout):
    """The answer was not complete in time."""


class Deadline:
    """Shuts one request's connection down, when its time is over or the client is stopped."""

    def __init__(self, seconds: float | None) -> None:
        self.sending = True
        """False once `send` has returned. Before that a body that ends is a redirect's, and the time goes on."""
        self._error: httpx.TransportError | None = None
        self._socket: socket.socket | None = None
        self._late = LateAnswer(f"the answer was not complete after {seconds:g} s") if seconds else None
        self._until = time.monotonic() + (seconds or 0)
        self._timer = threading.Timer(seconds or 0, self.end, [self._late])
        self._timer.daemon = True
        if self._late:
            self._timer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Httpx's `trace` extension: learns of a new connection, and of the same one under TLS."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self._error:
                self._shut_down()

    @property
    def over(self) -> bool:
        return self._ending is not None

    @property
    def _ending(self) -> httpx.TransportError | None:
        """What ended it. The clock decides: a read's own timeout may come before the timer's thread has its turn."""
        return self._error or (self._late if time.monotonic() >= self._until else None)

    def end(self, error: httpx.TransportError) -> None:
        self._error = self._error or error
        self._shut_down()

    def check(self, cause: Exception | None = None) -> None:
        """Raise what ended it. Where it was ended a clean end of the body means nothing."""
        ending = self._ending
        if ending and ending is not cause:
            raise ending from cause

    def cancel(self) -> None:
        self._timer.cancel()

    def _shut_down(self) -> None:
        """Wakes whoever reads. Not SSLSocket's own shutdown, which takes TLS away under the reader."""
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
