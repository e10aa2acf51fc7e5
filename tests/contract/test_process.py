"""Processes of `feedfall local`: nothing is left behind, however we end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from local.servers.process import NotStarted, Processes, wait_until_ready

ROOT = Path(__file__).parents[2]
ENV = {"PATH": os.defpath}
SECONDS = 15  # for everything to be gone

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
