"""Answers of hostile servers over real sockets: each ends in time, within its bytes, as an error of httpx's kinds."""

import logging
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import hostile
from calendar_client.deadline import LateAnswer
from memory import peak_below
from steps.run.http_client import ENDLESS, BoundedClient, ClientStopped, UnusableAnswer

SECONDS = 0.4
TWICE_PACKED = hostile.twice_packed()
SLOW = [
    hostile.dripping,
    hostile.dripping_headers,
    hostile.early_hints,
    hostile.close_delimited,
    hostile.silent,
]


@pytest.fixture
def client() -> Iterator[BoundedClient]:
    with BoundedClient(seconds=SECONDS, max_bytes=2**20, timeout=20, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("script", SLOW)
def test_answer__that_is_not_complete_in_time_is_late(client: BoundedClient, script: Callable[..., None]) -> None:
    with hostile.serving(script) as (_, url), pytest.raises(LateAnswer, match=r"not complete after 0\.4 s"):
        client.get(url)


@pytest.mark.parametrize("script", [hostile.dripping, hostile.close_delimited])
def test_stream__that_is_not_complete_in_time_is_late(client: BoundedClient, script: Callable[..., None]) -> None:
    with hostile.serving(script) as (_, url), client.stream("GET", url) as answer, pytest.raises(LateAnswer):
        for _ in answer.iter_bytes():
            pass


def test_redirects__share_one_time(client: BoundedClient) -> None:
    def round_and_round(send: hostile.Send) -> None:
        threading.Event().wait(0.05)
        send(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with hostile.serving(round_and_round) as (server, url), pytest.raises(LateAnswer):
        client.get(url, follow_redirects=True)
    assert server.connections < 20  # httpx's own limit of redirects was not what ended it


def test_time__is_of_one_request_only(client: BoundedClient) -> None:
    with hostile.serving(hostile.answer(b"ok")) as (server, url):
        for _ in range(3):
            assert client.get(url).text == "ok"
            threading.Event().wait(SECONDS / 2)
    assert server.connections == 3


def test_before__is_not_part_of_the_time() -> None:
    waiting = threading.Event()
    with (
        hostile.serving(hostile.answer(b"ok")) as (_, url),
        BoundedClient(seconds=SECONDS, before=lambda: waiting.wait(SECONDS * 2), trust_env=False) as client,
    ):
        assert client.get(url).text == "ok"


@pytest.mark.parametrize("script", SLOW)
def test_stop__ends_what_runs_and_refuses_what_follows(script: Callable[..., None]) -> None:
    with BoundedClient(seconds=3600, timeout=3600, trust_env=False) as client, hostile.serving(script) as (server, url):
        stopper = threading.Thread(target=lambda: (server.reached.wait(10), client.stop()))
        stopper.start()
        with pytest.raises(ClientStopped):
            client.get(url)
        stopper.join()
        with pytest.raises(ClientStopped):
            client.get(url)
        assert server.connections == 1


def test_flood__is_cut_at_the_limit(client: BoundedClient) -> None:
    too_large = pytest.raises(UnusableAnswer, match="more than 1,048,576 bytes")
    with hostile.serving(hostile.flood) as (_, url), peak_below(8 * 2**20), too_large:
        client.get(url)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("Content-Encoding: gzip, gzip", TWICE_PACKED),
        ("Content-Encoding: gzip", TWICE_PACKED),
        ("Content-Encoding: deflate", b"x"),
        ("content-encoding: identity, GZIP", b"x"),
    ],
)
def test_encoding__that_was_not_requested_is_refused_unread(client: BoundedClient, header: str, body: bytes) -> None:
    refused = pytest.raises(UnusableAnswer, match="encoded as ")
    with hostile.serving(hostile.answer(body, header)) as (_, url), peak_below(4 * 2**20), refused:
        client.get(url)


def test_identity__is_requested_and_accepted(client: BoundedClient) -> None:
    with hostile.serving(hostile.answer(b"ok", "Content-Encoding: identity")) as (_, url):
        answer = client.get(url)
    assert (answer.text, answer.request.headers["Accept-Encoding"]) == ("ok", "identity")


@pytest.mark.parametrize("charset", ["zlib", "bz2", "punycode", "undefined", "no-such", "idna", "uu"])
def test_charset__that_is_none_of_text_is_read_as_utf_8(client: BoundedClient, charset: str) -> None:
    script = hostile.answer("은행".encode(), f"Content-Type: text/plain; charset={charset}")
    with hostile.serving(script) as (_, url):
        assert client.get(url).text == "은행"


def test_charset__of_korea_is_read(client: BoundedClient) -> None:
    script = hostile.answer("은행".encode("euc-kr"), "Content-Type: text/plain; charset=EUC-KR")
    with hostile.serving(script) as (_, url):
        assert client.get(url).text == "은행"


def test_endless__goes_on_beyond_the_time_and_bounds_a_line(client: BoundedClient) -> None:
    def log(send: hostile.Send) -> None:
        send(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(4):
            threading.Event().wait(SECONDS / 2)
            send(b"x" * 2**19 + b"\n")
        while True:
            send(b"x" * 2**19)

    with hostile.serving(log) as (_, url), client.stream("GET", url, extensions=ENDLESS) as answer:
        lines = answer.iter_lines()
        assert [len(next(lines)) for _ in range(4)] == [2**19] * 4
        with pytest.raises(UnusableAnswer):
            next(lines)


def test_tls__a_handshake_that_is_never_answered_ends(client: BoundedClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(httpx.TransportError):
        client.get(f"https://127.0.0.1:{server.getsockname()[1]}/", timeout=SECONDS)


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes the server's certificate")
@pytest.mark.parametrize("script", SLOW)
def test_tls__an_answer_that_is_not_complete_in_time_is_late(tmp_path: Path, script: Callable[..., None]) -> None:
    own = ("-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key", "-out", "cert")
    subprocess.run(["openssl", "req", "-x509", "-nodes", *own], check=True, cwd=tmp_path, capture_output=True)
    served, trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=tmp_path / "cert")
    served.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with (
        hostile.serving(script, served) as (_, url),
        BoundedClient(seconds=SECONDS, timeout=20, verify=trusted, trust_env=False) as client,
        pytest.raises(LateAnswer),
    ):
        client.get(url)


def test_url__stands_in_no_log_line(client: BoundedClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with hostile.serving(hostile.answer(b"ok")) as (_, url):
        client.get(url + "?key=sesame")
    assert "sesame" not in caplog.text
