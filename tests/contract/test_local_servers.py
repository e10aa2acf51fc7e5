"""Kafka and PostgreSQL as `feedfall local` starts them: real servers, and nothing left behind, however we end."""

import hashlib
import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from local.servers import kafka, postgres
from local.servers.process import NotStarted, Processes, wait_until_ready

ROOT = Path(__file__).parents[2]
ENV = {"PATH": os.defpath}
SECONDS = 15  # for everything to be gone
Servers = tuple[Path, list[str], list[str]]  # their folder, the brokers, the databases


# -- two of each, side by side --


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        processes = stack.enter_context(Processes())
        brokers = [stack.enter_context(kafka.broker(folder / f"k{n}", processes, say=print)) for n in range(2)]
        databases = [stack.enter_context(postgres.database(folder / f"p{n}", processes, say=print)) for n in range(2)]
        yield folder, brokers, databases


def test_broker__two_answer_side_by_side(servers: Servers) -> None:
    folder, brokers, _ = servers
    assert len(set(brokers)) == 2
    for number, address in enumerate(brokers):
        host, port = address.split(":")
        assert host == "127.0.0.1"
        assert api_versions(host, int(port)) == 0
        assert "Kafka Server started" in (folder / f"k{number}" / "kafka.log").read_text()


def test_broker__each_has_a_cluster_id_of_its_own(servers: Servers) -> None:
    folder, *_ = servers
    ids = {re.search("cluster.id=(.+)", (folder / k / "data/meta.properties").read_text())[1] for k in ("k0", "k1")}
    assert len(ids) == 2


def test_broker__is_asked_for_a_topic_before_it_makes_one(servers: Servers) -> None:
    folder, *_ = servers
    assert "auto.create.topics.enable=false" in (folder / "k0" / "server.properties").read_text()


def test_database__two_answer_side_by_side(servers: Servers) -> None:
    _, _, databases = servers
    ports = {asked(url, "SHOW port") for url in databases}
    assert len(ports) == 2


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),  # what we prove about durability is proven here
        ("full_page_writes", "on"),
        ("server_encoding", "UTF8"),
        ("listen_addresses", "127.0.0.1"),
        ("max_connections", "100"),
        ("max_wal_size", "2GB"),
    ],
)
def test_database__setting(servers: Servers, setting: str, value: str) -> None:
    assert asked(servers[2][0], f"SHOW {setting}") == value


def test_database__refuses_a_stranger(servers: Servers) -> None:
    stranger = re.sub(":[0-9a-f]{32}@", ":guess@", servers[2][0])
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(stranger)


def test_servers__keep_their_data_over_a_restart(tmp_path: Path) -> None:
    identity, tmp_path = [], tmp_path / "내 폴더"  # a person's folder may have a space and a name in Korean
    for _ in range(2):
        with Processes() as processes, kafka.broker(tmp_path / "k", processes, say=print):
            identity.append((tmp_path / "k/data/meta.properties").read_text())
        with postgres.database(tmp_path / "p", None, say=print) as url:
            identity.append(asked(url, "SELECT system_identifier FROM pg_control_system()"))
    assert identity[:2] == identity[2:]


# -- nothing left behind --

BOTH = """
import signal, sys, time
from pathlib import Path
from local.servers import kafka, postgres
from local.servers.process import Processes
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background job
folder = Path(sys.argv[1])
with Processes() as p, kafka.broker(folder / "k", p, say=len), postgres.database(folder / "p", p, say=len):
    print("up", flush=True)
    time.sleep(600)
"""

# It dies the very moment start() returns, long before its child has become what it was told to be.
SUDDEN = """
import os, sys
from local.servers.process import Processes
with Processes() as p:
    p.start([sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]], env={})
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_servers__none_is_left_when_their_parent_ends(tmp_path: Path, end: signal.Signals) -> None:
    with script(BOTH, tmp_path) as parent:
        assert parent.stdout.readline() == b"up\n", (tmp_path / "k/kafka.log").read_text()[-2000:]
        family = psutil.Process(parent.pid).children(recursive=True)
        assert {"postgres", "java"} <= {one.name() for one in family}
        parent.send_signal(end)
        assert parent.wait(SECONDS) == -end
        assert survivors(family) == []


def test_process__killed_at_once_after_a_start(tmp_path: Path) -> None:
    for _ in range(5):
        with script(SUDDEN, tmp_path) as parent:
            assert parent.wait(SECONDS) == -signal.SIGKILL
    deadline = time.monotonic() + SECONDS
    while named(str(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert named(str(tmp_path)) == []


def test_process__stops_the_youngest_first(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for name in ("old", "young"):
        (tmp_path / name).write_text(f"trap 'echo {name}; exit 0' TERM; echo up; while :; do sleep 0.01; done")
    with Processes() as processes:
        for count, name in enumerate(("old", "young"), start=1):
            child = processes.start(["sh", tmp_path / name], env=ENV, log=log)
            wait_until_ready(name, child, log, line="up\n" * count, seconds=SECONDS)
    assert [line for line in log.read_text().split() if line in {"young", "old"}] == ["young", "old"]


def test_process__kills_what_does_not_listen(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Processes() as processes:
        deaf = processes.start(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"], env=ENV, log=log)
        wait_until_ready("deaf", deaf, log, line="up", seconds=SECONDS)
        assert processes.stop(deaf, grace=0.2) == -signal.SIGKILL


def test_process__ends_what_a_finished_child_left_in_its_group(tmp_path: Path) -> None:
    with Processes() as processes:
        child = processes.start(["sh", "-c", f"sh -c 'sleep 600; : {tmp_path}' & exit 3"], env=ENV)
        assert child.wait(SECONDS) == 3
        time.sleep(0.1)
        assert named(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 75"], 75),
        (["no-such-command"], 127),
        (["sh", "-c", "kill -9 $$"], -9),
        (["sh", "-c", 'read line && exit 1 || test -z "$line"'], 0),  # stdin is empty, never the guardian's pipe
    ],
)
def test_process__exit_code(tmp_path: Path, command: list[str], code: int) -> None:
    with Processes() as processes:
        assert processes.start(command, env=ENV, log=tmp_path / "log").wait(SECONDS) == code


def test_process__output_can_be_read() -> None:
    with Processes() as processes, processes.start(["echo", "hi"], env=ENV, stdout=subprocess.PIPE) as child:
        assert child.communicate() == (b"hi\n", None)


def test_wait_until_ready__a_failed_start_says_what_the_log_said(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Processes() as processes:
        child = processes.start(["sh", "-c", "echo no room; exit 3"], env=ENV, log=log)
        with pytest.raises(NotStarted, match=r"(?s)It ended with 3\..*no room"):
            wait_until_ready("It", child, log, line="ready", seconds=SECONDS)


# -- the jars --


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


# -- what the tests above ask with --


def api_versions(host: str, port: int) -> int:
    """The error code of Kafka's own first answer (ApiVersions v0), spoken without a client library."""
    request = b"\x00\x12\x00\x00" + b"\x00\x00\x00\x07" + b"\xff\xff"
    with socket.create_connection((host, port), timeout=5) as wire:
        wire.sendall(len(request).to_bytes(4, "big") + request)
        answer = wire.recv(4096)
    assert answer[4:8] == b"\x00\x00\x00\x07"
    return int.from_bytes(answer[8:10], "big")


def asked(url: str, query: str) -> str:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchone()[0]


@contextmanager
def script(source: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", source, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        try:
            yield parent
        finally:
            parent.kill()


def survivors(family: list[psutil.Process]) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(family, timeout=SECONDS)
    return [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]  # only pid 1 can bury those


def named(token: str) -> list[list[str]]:
    found = psutil.process_iter(["cmdline", "status"])
    return [
        one.info["cmdline"]
        for one in found
        if one.info["status"] != psutil.STATUS_ZOMBIE and token in " ".join(one.info["cmdline"] or [])
    ]


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
