"""A child process from the outside: how long it took, how much memory it had at its peak, what it said."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Ended:
    """One process that ended well: wall and CPU seconds, peak MiB, its output."""

    seconds: float
    cpu: float
    peak: float
    stdout: str

    def result(self, word: str) -> str:
        """A word of the pod's RESULT line."""
        found = re.search(rf"\b{word}=(\S+)", self.stdout.splitlines()[-1])
        assert found, self.stdout
        return found[1]


def run(*words: str, env: Mapping[str, str] | None = None) -> Ended:
    """Run `python words…` to its end. The peak is the kernel's own (wait4), as a memory limit would see it."""
    command = [sys.executable, *words]
    with tempfile.TemporaryFile() as out:
        started = time.monotonic()
        environment = {"PATH": os.defpath, **(env or {}), "STARTED": repr(started)}
        child = subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=ROOT)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        stdout = out.read().decode()
    assert child.returncode == 0, stdout
    return Ended(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, stdout)


def sub(feed: str, env: Mapping[str, str]) -> Ended:
    """The real pod."""
    return run("-m", "steps", "sub", f"--feed={feed}", env=env)
