"""Runs applications on ports, with limits for its clients: connections, seconds of a request, of an answer.

    Listener       accepts at most so many connections, and closes further ones silently
    DeadlineLoop   ends a TLS handshake that is not completed in time
    Deadlines      ends a connection whose request is not whole in time, or whose answer nobody reads

uvicorn has a limit for idle connections alone. Half a request, in its header or body, would stay for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ledger.errors import Misconfigured
from service.certificate import Tls, renew_for_ever

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

BACKLOG = 128
"""Accepted in one go, before any of them is looked at: small, so that the limit is not passed by far."""
INCOMPLETE = (h11.IDLE, h11.SEND_BODY)
HEADERS = [("X-Content-Type-Options", "nosniff")]


@dataclass(frozen=True)
class Limits:
    """What one port allows, in numbers and seconds."""

    connections: int = 200
    """A TLS connection takes half a megabyte, in asyncio's buffers: 200 of them, 100 MB of the pod's 256."""
    peer: int = 20
    """Of these, from one address: one client that holds all it may leaves room for the others."""
    request: float = 10.0
    """From the connection, or the first byte, to the last byte of a request."""
    answer: float = 30.0
    """How long a client may leave an answer unread."""
    idle: int = 5
    """Between two requests on one connection."""


@dataclass(frozen=True)
class Endpoint:
    """An application on a port."""

    app: ASGIApp
    listener: Listener
    limits: Limits
    tls: Tls | None = None


class Listener(socket.socket):
    """A listening socket that holds at most `limit` connections, and `peer` of one address."""

    limit = peer = 0
    refused = 0

    def __init__(self, *words: Any, **more: Any) -> None:  # noqa: ANN401 -- socket's own
        super().__init__(*words, **more)
        self._held: dict[socket.socket, str] = {}

    @property
    def open(self) -> int:
        """How many connections there are now."""
        self._held = {each: peer for each, peer in self._held.items() if each.fileno() != -1}
        return len(self._held)

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection. One beyond the limit is closed: BlockingIOError, "none at the moment"."""
        connection, address = super().accept()
        if self.open >= self.limit or list(self._held.values()).count(address[0]) >= self.peer:
            connection.close()
            self.refused += 1
            raise BlockingIOError
        self._held[connection] = address[0]
        return connection, address


def listen(host: str, port: int, limits: Limits) -> Listener:
    """Listen on an address. Raises Misconfigured."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = Listener(family, kind, protocol)
        listener.peer = limits.peer
        listener.limit = min(limits.connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        raise Misconfigured(f"the service cannot listen on {host}, port {port}: {error.strerror}") from error
    return listener


class DeadlineLoop(asyncio.SelectorEventLoop):
    """An event loop whose servers end a TLS handshake after so many seconds. uvicorn has no setting for it."""

    def __init__(self, handshake: float) -> None:
        super().__init__()
        self._handshake = handshake

    async def create_server(self, *words: Any, **more: Any) -> asyncio.Server:  # noqa: ANN401 -- asyncio's own
        if more.get("ssl"):
            more |= {"ssl_handshake_timeout": self._handshake, "ssl_shutdown_timeout": self._handshake}
        return await super().create_server(*words, **more)


class Deadlines(H11Protocol):
    """One connection. A request must be whole, and an answer read, in time."""

    def __init__(self, limits: Limits, **more: Any) -> None:  # noqa: ANN401 -- uvicorn's own
        super().__init__(**more)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        self._timer = self.loop.call_later(self._limits.request, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state not in INCOMPLETE:
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(self._limits.request, self.transport.abort)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._unread is None and self.transport.get_write_buffer_size():
            self._unread = self.loop.call_later(self._limits.answer, self._abort_unread)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self._limits.answer, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _abort_unread(self) -> None:
        self._unread = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(uvicorn.Server):
    """A server that leaves the signals to another one of the same process, or handles them itself."""

    signals = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals() if self.signals else contextlib.nullcontext():
            yield


def server_of(endpoint: Endpoint, lifespan: Literal["on", "off"] = "on") -> Server:
    """The server of an endpoint. It logs what fails inside, and nothing that a client can cause."""
    tls = endpoint.tls
    config = uvicorn.Config(
        endpoint.app,
        http=partial(Deadlines, endpoint.limits),  # type: ignore[arg-type] # called like the class itself
        lifespan=lifespan,
        access_log=False,
        log_level="error",
        server_header=False,
        headers=HEADERS,
        timeout_keep_alive=endpoint.limits.idle,
        timeout_graceful_shutdown=10,
        backlog=BACKLOG,
        ssl_context_factory=(lambda *_: tls.context) if tls else None,
    )
    return Server(config)


def run(main: Endpoint, side: Endpoint | None) -> None:
    """Serve both until SIGTERM or Ctrl-C."""
    with (
        contextlib.suppress(KeyboardInterrupt),
        asyncio.Runner(loop_factory=partial(DeadlineLoop, main.limits.request)) as loop,
    ):
        loop.run(_serve(main, side))


async def _serve(main: Endpoint, side: Endpoint | None) -> None:
    async with asyncio.TaskGroup() as group:
        beside = server_of(side, lifespan="off") if side else None
        if beside and side:
            beside.signals = False
            group.create_task(beside.serve(sockets=[side.listener]))
        renewal = group.create_task(renew_for_ever(main.tls)) if main.tls else None
        await server_of(main).serve(sockets=[main.listener])
        if renewal:
            renewal.cancel()
        if beside:
            beside.should_exit = True
