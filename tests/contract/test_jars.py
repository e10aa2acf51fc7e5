"""Kafka's jars: fetched once, only what the lock file pins, from the user's mirror."""

import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.servers import kafka

ROOT = Path(__file__).parents[2]


def test_fetch__second_call_downloads_and_says_nothing() -> None:
    kafka.fetch(print)
    said = []
    kafka.fetch(said.append, pytest.fail)
    assert said == []


def test_fetch__says_about_how_much_it_is() -> None:
    size = sum(jar.stat().st_size for jar in kafka.fetch(print).glob("*.jar"))
    assert round(size / 1e6) == kafka.MEGABYTES


def test_lock__every_jar_has_a_sha256_and_no_host_is_named() -> None:
    lock = (ROOT / "local/servers/jgo.lock.toml").read_bytes()
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in kafka.read_lock(lock))
    assert b"://" not in lock + (ROOT / "local/servers/jgo.toml").read_bytes()


def test_download__takes_only_what_the_lock_file_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mirror(tmp_path, b"a jar", monkeypatch):
        kafka.download([jar(b"a jar")], tmp_path, kafka.repositories())
        assert (tmp_path / "thing-1.0.jar").read_bytes() == b"a jar"
        (tmp_path / "thing-1.0.jar").unlink()
        with pytest.raises(kafka.NotFetched, match="not the file"):
            kafka.download([jar(b"another")], tmp_path, kafka.repositories())
    assert not list(tmp_path.rglob("*.jar"))


def test_download__without_a_network_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(kafka.NotFetched, match="mirror"):
        kafka.download([jar(b"a jar")], tmp_path, {"central": "http://127.0.0.1:9"})


@pytest.mark.parametrize(
    ("mirrors", "url"),
    [
        ("<mirror><mirrorOf>central</mirrorOf><url>http://in/</url></mirror>", "http://in"),
        ("<mirror><mirrorOf>*,!own</mirrorOf><url>http://in</url></mirror>", "http://in"),
        ("<mirror><mirrorOf>*,!central</mirrorOf><url>http://in</url></mirror>", None),
        ("<mirror><mirrorOf>jboss</mirrorOf><url>http://in</url></mirror>", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("namespace", ["", ' xmlns="urn:settings"'])
def test_mirror_of_central(namespace: str, mirrors: str, url: str | None) -> None:
    assert kafka.mirror_of_central(f"<settings{namespace}><mirrors>{mirrors}</mirrors></settings>") == url


def jar(content: bytes) -> kafka.Jar:
    return kafka.Jar("org.example", "thing", "1.0", hashlib.sha256(content).hexdigest())


@contextmanager
def mirror(home: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Maven mirror that answers everything with the same bytes, named by the user's settings.xml."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path.endswith("/org/example/thing/1.0/thing-1.0.jar") else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/maven"
        settings = home / ".m2" / "settings.xml"
        settings.parent.mkdir()
        settings.write_text(f"<settings><mirror><mirrorOf>*</mirrorOf><url>{url}</url></mirror></settings>")
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield
        server.shutdown()
