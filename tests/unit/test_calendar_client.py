"""The calendar client against a hostile service, or none: each answer is a calendar or Unreachable, in time."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import tracemalloc
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

import business_day
from business_day import UnknownCalendar, document
from calendar_client.client import MAX_BYTES, Client, Unreachable
from calendar_client.copy import Folder, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KRX = document.dumps(business_day.calendar("KRX")).encode()
BANK = document.dumps(business_day.calendar("BANK")).encode()
Answer = Callable[[socket.socket], None] if TYPE_CHECKING else object


class Service:
    """A port on which every connection is answered by `answer`; keeps what was sent to it."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.requests.append(connection.recv(65_536))
                with suppress(OSError):  # the client has gone: what it should do
                    self._answer(connection)

    def close(self) -> None:
        self._listener.close()


@contextmanager
def asking(answer: Answer, folder: Path, seconds: float = 5.0) -> Iterator[tuple[Client, Service]]:
    service = Service(answer)
    try:
        with Client(service.url, Folder(folder), seconds=seconds) as client:
            yield client, service
    finally:
        service.close()


def sent(body: bytes, status: str = "200 OK", *headers: str) -> Answer:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return lambda connection: connection.sendall("\r\n".join(head).encode("latin-1") + body)


PROBLEM = "Content-Type: application/problem+json"
BOMB = gzip.compress(gzip.compress(b" " * 300_000_000, 9), 9)
NESTED = b"[" * 200_000


def changed(**fields: object) -> bytes:
    """BANK's document with other fields, and the digest that belongs to them."""
    found = {**json.loads(BANK), **fields}
    found.pop("digest")
    found["digest"] = document._digest(found)  # noqa: SLF001 -- a service that lies has it too
    return json.dumps(found).encode()


#: An answer → what is said of it.
ANSWERS = {
    "a bomb": (sent(BOMB, "200 OK", "Content-Encoding: gzip, gzip"), "Content-Encoding 'gzip, gzip'"),
    "compressed once": (sent(gzip.compress(BANK), "200 OK", "Content-Encoding: gzip"), "Content-Encoding 'gzip'"),
    "too long": (sent(b" " * (MAX_BYTES + 1)), "more than"),
    "nested JSON": (sent(NESTED), "is no calendar"),
    "nested objects": (sent(b'{"a":' * 100_000), "is no calendar"),
    "a 404 that is nested": (sent(NESTED, "404 Not Found", PROBLEM), "answers 404"),
    "a 404 that is a list": (sent(b"[]", "404 Not Found", PROBLEM), "answers 404"),
    "a 404 that is no JSON": (sent(b"<html>", "404 Not Found", PROBLEM), "answers 404"),
    "a 404 that is no text": (sent(b"\xff\xfe", "404 Not Found", PROBLEM), "answers 404"),
    "a 404 without a sentence": (sent(b"{}", "404 Not Found", PROBLEM), "answers 404"),
    "a proxy's 404": (sent(b"<html>", "404 Not Found"), "answers 404"),
    "a redirect": (sent(b"", "302 Found", "Location: http://127.0.0.1:1/"), "answers 302"),
    "a redirect to nowhere": (sent(b"", "302 Found", "Location: http://[::1"), "does not answer"),
    "304 where nothing was known": (sent(b"", "304 Not Modified"), "answers 304"),
    "no content": (sent(b"", "204 No Content"), "is no calendar"),
    "not UTF-8": (sent(b"\xff" + BANK), "is no calendar"),
    "UTF-16": (sent(BANK.decode().encode("utf-16")), "is no calendar"),
    "another calendar": (
        sent(KRX),
        "answers with KRX instead of BANK",
    ),
    "half a character": (sent(BANK.replace("추석".encode(), b"\\ud800", 1)), "is no calendar"),
    "no zone": (sent(changed(zone="../etc")), "is no calendar"),
    "all of time": (sent(changed(covers=["0001-01-01", "9999-12-31"])), "is no calendar"),
    "backwards": (sent(changed(covers=["2028-01-01", "2018-01-01"])), "is no calendar"),
    "a number for a name": (sent(changed(closures={"2026-12-24": ["OWN", 7, ""]})), "is no calendar"),
    "half of it": (lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{"), "does not answer"),
    "garbage": (lambda c: c.sendall(b"\x00\xff\x1b[2J\r\n\r\n"), "does not answer"),
    "nothing": (lambda _: None, "does not answer"),
    "a head without end": (lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5_000_000), "does not answer"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answer__that_is_no_calendar_is_unreachable(name: str, tmp_path: Path) -> None:
    answer, words = ANSWERS[name]
    with asking(answer, tmp_path) as (client, _):
        with pytest.raises(Unreachable) as refused:
            client.refresh("BANK")
        assert words in str(refused.value)
        with pytest.raises(Unavailable, match="there is no copy of calendar BANK yet"):
            client.calendar("BANK")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a bomb", "too long"])
def test_answer__takes_no_more_memory_than_it_may(name: str, tmp_path: Path) -> None:
    with asking(ANSWERS[name][0], tmp_path) as (client, _):
        tracemalloc.start()
        try:
            with pytest.raises(Unreachable):
                client.refresh("BANK")
            assert tracemalloc.get_traced_memory()[1] < 4 * MAX_BYTES
        finally:
            tracemalloc.stop()


def forever(first: bytes, then: bytes) -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.sendall(first)
        pause = threading.Event()
        while not pause.wait(0.05):
            connection.sendall(then)

    return answer


#: What never ends, though each part of it comes soon.
ENDLESS = {
    "a body that drips": forever(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"{"),
    "chunks that drip": forever(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n"),
    "a head that drips": forever(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "early hints": forever(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "continue": forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "silence": forever(b"", b""),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_answer__without_end_is_cut_off(name: str, tmp_path: Path) -> None:
    with (
        asking(ENDLESS[name], tmp_path, seconds=0.5) as (client, _),
        pytest.raises(Unreachable, match="does not answer"),
    ):
        client.refresh("BANK")


def test_request__wants_no_encoding(tmp_path: Path) -> None:
    with asking(sent(BANK), tmp_path) as (client, service):
        assert client.calendar("BANK").version == business_day.calendar("BANK").version
    assert b"accept-encoding: identity\r\n" in service.requests[0].lower()


@pytest.mark.parametrize("etag", ["\xff\xe9", '"' + "x" * 5_000 + '"'])
def test_etag__that_cannot_be_sent_back_is_not_kept(etag: str, tmp_path: Path) -> None:
    with asking(sent(BANK, "200 OK", f"ETag: {etag}"), tmp_path) as (client, service):
        client.refresh("BANK")
        client.refresh("BANK")
    assert b"if-none-match" not in service.requests[1].lower()


def test_unknown_calendar__is_said_without_what_a_terminal_obeys(tmp_path: Path) -> None:
    body = json.dumps({"detail": "no calendar 'BNK' \x1b[2J\u202e 달력"}).encode()
    with asking(sent(body, "404 Not Found", PROBLEM), tmp_path) as (client, _), pytest.raises(UnknownCalendar) as said:
        client.refresh("BANK")
    assert str(said.value) == "no calendar 'BNK' \\x1b[2J\\u202e 달력"


def test_copy__answers_while_the_service_sends_bombs(tmp_path: Path) -> None:
    with asking(sent(BANK), tmp_path) as (client, _):
        client.refresh("BANK")
    with asking(ANSWERS["a bomb"][0], tmp_path) as (client, _):
        assert client.calendar("BANK").version == business_day.calendar("BANK").version
