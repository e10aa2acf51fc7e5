"""The calendar service's connections: half requests end, unread answers end, and what is too many is closed at once."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from calendar_service import certificate
from ledger.errors import Misconfigured
from service.certificate import Tls
from service.server import DeadlineLoop, Endpoint, Limits, listen, server_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

SHORT = Limits(connections=8, request=0.5, answer=0.5, idle=1)
WHOLE = b"GET / HTTP/1.1\r\nHost: calendar\r\n\r\n"
BIG = b"x" * 4_000_000
Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads a body, and answers with little, or on /big with much."""
    assert scope["type"] == "http"
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message.get("more_body", False)
    body = BIG if scope["path"] == "/big" else b"fine"
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}
    )
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(limits: Limits = SHORT, tls: Tls | None = None) -> AsyncIterator[tuple[int, socket.socket]]:
    listener = listen("127.0.0.1", 0, limits)
    server = server_of(Endpoint(app, listener, limits, tls), lifespan="off")
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1], listener
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 20)


def run(test: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=lambda: DeadlineLoop(SHORT.request)) as runner:
        runner.run(test())  # type: ignore[arg-type] # a coroutine function, all of them


async def ends(opened: Opened) -> bytes:
    """What the server still sends until it closes the connection."""
    try:
        return await asyncio.wait_for(opened[0].read(), 20)
    except ConnectionError:
        return b""
    finally:
        opened[1].transport.abort()


#: What a client sends, and no more.
HALVES = [
    b"",
    b"G",
    b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\nHost: calendar\r\n",
    b"POST / HTTP/1.1\r\nHost: calendar\r\nContent-Length: 10\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: calendar\r\nContent-Length: 10\r\n\r\n12345",
    b"POST / HTTP/1.1\r\nHost: calendar\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
]


@pytest.mark.parametrize("half", HALVES)
def test_half_a_request__is_closed(half: bytes) -> None:
    async def test() -> None:
        async with serving() as (port, _):
            opened = await asyncio.open_connection("127.0.0.1", port)
            opened[1].write(half)
            assert await ends(opened) == b""

    run(test)


@pytest.mark.parametrize("half", HALVES[1:])
def test_half_a_request__after_a_whole_one_is_closed(half: bytes) -> None:
    async def test() -> None:
        async with serving() as (port, _):
            opened = await asyncio.open_connection("127.0.0.1", port)
            opened[1].write(WHOLE)
            await opened[0].readuntil(b"fine")
            opened[1].write(half)
            assert await ends(opened) == b""

    run(test)


def test_request__that_drips_is_closed() -> None:
    """A byte now and then does not put the deadline off."""

    async def test() -> None:
        async with serving() as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nX: ")
            closed = asyncio.create_task(ends((reader, writer)))
            while not closed.done():
                writer.write(b"x")
                await asyncio.sleep(0.05)
            assert closed.result() == b""

    run(test)


def test_requests__that_are_whole_are_answered_on_one_connection() -> None:
    async def test() -> None:
        async with serving() as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for pause in (0.0, 0.6, 0.6):  # longer than a request's deadline: an idle connection has its own
                await asyncio.sleep(pause)
                writer.write(WHOLE)
                assert (await asyncio.wait_for(reader.readuntil(b"fine"), 20)).startswith(b"HTTP/1.1 200")
            writer.close()

    run(test)


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
def test_answer__that_nobody_reads_is_given_up(close: bytes) -> None:
    async def test() -> None:
        async with serving() as (port, listener):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            writer.transport.pause_reading()  # type: ignore[attr-defined] # a client that asks and never reads
            writer.write(b"GET /big HTTP/1.1\r\nHost: calendar\r\n" + close + b"\r\n")
            await until(lambda: listener.open == 1)
            await until(lambda: listener.open == 0)
            writer.transport.abort()

    run(test)


def test_connections__beyond_the_limit_are_closed_at_once_and_counted() -> None:
    async def test() -> None:
        async with serving(Limits(connections=8, request=30.0)) as (port, listener):
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
            await until(lambda: listener.open == 8)
            refused = [await asyncio.open_connection("127.0.0.1", port) for _ in range(50)]
            assert [await ends(each) for each in refused] == [b""] * 50
            assert (listener.open, listener.refused) == (8, 50)
            for _, writer in held:
                writer.close()
            await until(lambda: listener.open == 0)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(WHOLE)
            assert await asyncio.wait_for(reader.readuntil(b"fine"), 20)
            writer.close()

    run(test)


def test_connections__of_one_client_leave_room_for_others() -> None:
    async def test() -> None:
        async with serving(Limits(connections=8, peer=3, request=30.0)) as (port, listener):
            greedy = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            await until(lambda: listener.open == 3)
            more = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
            assert [await ends(each) for each in more] == [b""] * 20
            assert (listener.open, listener.refused) == (3, 20)
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
            writer.write(WHOLE)
            assert await asyncio.wait_for(reader.readuntil(b"fine"), 20)
            for _, each in [*greedy, (reader, writer)]:
                each.close()
            await until(lambda: listener.open == 0)
            again = await asyncio.open_connection("127.0.0.1", port)
            again[1].write(WHOLE)
            assert await asyncio.wait_for(again[0].readuntil(b"fine"), 20)
            again[1].close()

    run(test)


def test_flood__writes_no_log(capfd: pytest.CaptureFixture[str]) -> None:
    async def test() -> None:
        async with serving() as (port, _):
            upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
            for sent in (b"\x00\xff garbage\r\n\r\n", upgrade, b""):
                flood = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
                for _, writer in flood:
                    writer.write(sent)
                for each in flood:
                    await ends(each)

    run(test)
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return Tls(*certificate(tmp_path_factory.mktemp("tls")))


def trusting(tls: Tls) -> dict[str, Any]:
    return {"ssl": ssl.create_default_context(cafile=str(tls.certificate)), "server_hostname": "localhost"}


def test_tls__answers_and_a_half_handshake_is_closed(tls: Tls) -> None:
    async def test() -> None:
        async with serving(tls=tls) as (port, _):
            for sent in (b"", b"\x16\x03\x01"):
                opened = await asyncio.open_connection("127.0.0.1", port)
                opened[1].write(sent)
                assert await ends(opened) == b""
            reader, writer = await asyncio.open_connection("127.0.0.1", port, **trusting(tls))
            writer.write(WHOLE)
            assert await asyncio.wait_for(reader.readuntil(b"fine"), 20)
            writer.close()

    run(test)


def test_tls__renewed_in_its_files_is_used_without_a_restart(tmp_path: Path) -> None:
    served = Tls(*certificate(tmp_path))
    before = served.certificate.read_bytes()

    async def test() -> None:
        async with serving(tls=served) as (port, _):
            certificate(tmp_path)
            assert served.certificate.read_bytes() != before
            served.renew()
            _, writer = await asyncio.open_connection("127.0.0.1", port, **trusting(served))
            writer.close()

    run(test)


@pytest.mark.parametrize("broken", ["tls.crt", "tls.key"])
def test_tls__that_is_broken_is_refused_and_the_last_one_stays(tmp_path: Path, broken: str) -> None:
    served = Tls(*certificate(tmp_path))
    (tmp_path / broken).write_text("not PEM")
    with pytest.raises(Misconfigured, match="Check FEEDFALL_TLS_CERT_FILE and FEEDFALL_TLS_KEY_FILE"):
        Tls(tmp_path / "tls.crt", tmp_path / "tls.key")
    with pytest.raises(Misconfigured):
        served.renew()


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(400):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not within 20 s")
