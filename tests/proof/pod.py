"""A pod as a forked child of this process: the product's own door, a process of its own, in 5 ms instead of 500.

Forked from a process that has imported everything and made no client: librdkafka has no threads there, and psycopg no
connection. `Pods` looks after that: nobody is left behind, however a trial ends.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import io
import os
import re
import signal
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Self

from proof import broken, tap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Seconds without a call to the outside after which a pod hangs, however slow the machine is; and that is a finding.
HANGS = 45.0
PRELOADED = (
    "steps.__main__",
    "steps.pub",
    "steps.relay",
    "steps.sub",
    "steps.run.calendars",
    "proof.partner",
    "proof.feeds.rate",
)


def preload() -> None:
    """Make this process one to fork pods from: the tap first, then the product."""
    tap.install()
    for name in PRELOADED:
        import_module(name)
    gc.freeze()


@dataclass(eq=False)
class Pod:
    """One running or ended pod. `code` is its exit code, minus the signal that ended it, None while it runs."""

    pid: int
    uid: str
    stage: str
    folder: Path
    code: int | None = None
    stopped: bool = False

    def look(self) -> bool:
        """Has it ended, or frozen itself?"""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                self.stopped = True
            elif pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None or self.stopped

    def wait(self) -> int | None:
        """Its exit code; None when it froze itself. Raises Hung."""
        calls, deadline = 0, time.monotonic() + HANGS
        while not self.look():
            before, calls = calls, (self.folder / f"{self.pid}.calls").stat().st_size
            if calls != before:
                deadline = time.monotonic() + HANGS
            if time.monotonic() > deadline:
                self.signal(signal.SIGUSR1)
                time.sleep(0.2)
                raise Hung(f"a pod made no call for {HANGS:.0f} s. Where it stands:\n{self.printed()[-3000:]}")
            time.sleep(0.005)
        return self.code

    def thaw(self) -> None:
        self.stopped = False
        self.signal(signal.SIGCONT)

    def signal(self, number: int) -> None:
        if self.code is None:
            os.kill(self.pid, number)

    def printed(self) -> str:
        return (self.folder / f"{self.pid}.out").read_text(errors="replace")

    def result(self) -> dict[str, str]:
        """The words of its RESULT line; empty where it had no time to print one."""
        lines = [line for line in self.printed().splitlines() if line.startswith("RESULT ")]
        return dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', lines[-1])) if lines else {}

    def journal(self) -> list[str]:
        """Its calls to the outside, in order, and where it was struck."""
        return (self.folder / f"{self.pid}.calls").read_text().splitlines()

    def was_struck(self) -> bool:
        return tap.STRUCK in self.journal()


class Hung(AssertionError):  # noqa: N818 -- reads as what happened
    """A pod that neither ends nor says why."""


class Pods:
    """The pods of one trial."""

    def __init__(self, folder: Path, linger: float = 0.0, variant: str = "") -> None:
        self._folder, self._linger, self._variant = folder, linger, variant
        self._pods: list[Pod] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pod in self._pods:
            pod.signal(signal.SIGKILL)
            while pod.code is None:
                pod.look()

    def start(self, words: Sequence[str], environ: Mapping[str, str], plan: tap.Plan | None = None) -> Pod:
        """Fork, and in the child call the product's door as `python -m steps` does."""
        threads = sum(1 for _ in Path("/proc/self/task").iterdir()) if sys.platform == "linux" else 1
        assert threads == 1, "fork before any client is made: librdkafka's threads do not survive it"
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            self._be(words, environ, plan)
        pod = Pod(pid, environ["WORKFLOW_UID"], words[0], self._folder)
        self._pods.append(pod)
        for kind in ("calls", "out"):
            (self._folder / f"{pid}.{kind}").touch()
        return pod

    def _be(self, words: Sequence[str], environ: Mapping[str, str], plan: tap.Plan | None) -> None:
        """The child: watched from here on, and never back into the parent's code."""
        code = 1
        with contextlib.suppress(BaseException):
            me = self._folder / str(os.getpid())
            out = os.open(f"{me}.out", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(fd, "wb", closefd=False)) for fd in (1, 2))
            faulthandler.register(signal.SIGUSR1)  # where does it hang?
            tap.TAP.open(Path(f"{me}.calls"), plan, environ, self._linger)
            broken.install(self._variant)
            code = import_module("steps.__main__").main(words, environ)
            sys.stderr.flush()
        os._exit(code)
