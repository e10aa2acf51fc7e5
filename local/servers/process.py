"""Child processes that are never left behind: not by a normal end, not by Ctrl-C, not by a SIGKILL of ourselves.

Called by `kafka`, `postgres` and the player. Every child leads a session of its own, so Ctrl-C in a terminal reaches
only us and we stop them in reverse order. One guardian (`guardian`) reads a pipe that only we hold open; when we die,
it ends what is still registered. A child registers *itself* before it becomes the command, so it never runs unknown to
the guardian.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from local.servers import guardian

GRACE = 10.0  # seconds between asking a child to stop and killing it

# Its stdin is the guardian's pipe until it has said its own process group and the signal that stops it.
REGISTER = 'echo "+ $$ $0" >&0; exec "$@" </dev/null'

Say = Callable[[str], None]


class NotStarted(RuntimeError):  # noqa: N818 - reads as what happened, not as what it is
    """A server did not come up; the message carries the end of its log."""


class Child(subprocess.Popen[bytes]):
    """A process that leads its own group. Whoever sees it end first ends what it left there, as a container would."""

    stop_signal = signal.SIGTERM
    on_end: Callable[[int], None] | None = None

    def poll(self) -> int | None:
        code = super().poll()
        self._report_end()
        return code

    def wait(self, timeout: float | None = None) -> int:
        code = super().wait(timeout)
        self._report_end()
        return code

    def _report_end(self) -> None:
        if self.returncode is not None and self.on_end is not None:
            on_end, self.on_end = self.on_end, None
            on_end(self.pid)


class Processes:
    """The children of one `with` block. Leaving it stops those still running, the youngest first."""

    def __init__(self) -> None:
        self._children: dict[int, Child] = {}
        self._guardian: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._guardian = subprocess.Popen(  # noqa: S603 - our own file under our own interpreter
            [sys.executable, "-I", "-S", guardian.__file__],
            bufsize=0,
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
        )
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for child in reversed(list(self._children.values())):
                self.stop(child)
        finally:  # a second Ctrl-C lands here: the guardian ends the rest
            self._pipe.close()
            if self._guardian is not None:
                self._guardian.wait()

    def start(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        log: Path | None = None,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> Child:
        """Start a command in its own session, stdin empty; `log` is appended with what stdout and stderr do not take.

        A command that does not exist ends with 127, as in a shell.
        """
        with open(log or os.devnull, "ab") as file:  # noqa: PTH123 - devnull is no Path
            rest = file if log else None
            child = Child(
                ["/bin/sh", "-c", REGISTER, str(int(stop_signal)), *map(str, command)],
                stdin=self._pipe,
                stdout=rest if stdout is None else stdout,
                stderr=rest if stderr is None else stderr,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        child.stop_signal = stop_signal
        child.on_end = self._forget
        self._children[child.pid] = child
        return child

    def stop(self, child: Child, grace: float = GRACE) -> int:
        """Ask the child's group to stop, kill it after `grace` seconds; its exit code. May be called twice."""
        if child.poll() is None:
            guardian.send_signal(child.pid, child.stop_signal)
            try:
                child.wait(grace)
            except subprocess.TimeoutExpired:
                guardian.send_signal(child.pid, signal.SIGKILL)
        return child.wait()

    def _forget(self, group: int) -> None:
        if self._children.pop(group, None) is not None:
            guardian.send_signal(group, signal.SIGKILL)
            self._pipe.write(f"- {group}\n".encode())

    @property
    def _pipe(self) -> IO[bytes]:
        if self._guardian is None or self._guardian.stdin is None:
            raise RuntimeError("Processes is a context manager: start children inside its with block")
        return self._guardian.stdin


def wait_until_ready(what: str, child: Child, log: Path, *, line: str, seconds: float) -> None:
    """Wait for a line in a server's log; raise NotStarted with the end of the log when it ends or takes too long."""
    deadline = time.monotonic() + seconds
    while line not in log.read_text(errors="replace"):
        code = child.poll()
        if code is None and time.monotonic() < deadline:
            time.sleep(0.02)
            continue
        story = f"ended with {code}" if code is not None else f"was not ready after {seconds:.0f} s"
        raise NotStarted(f"{what} {story}. Try again; if it stays, read {log}. Its last lines:\n{tail(log)}")


def tail(log: Path, lines: int = 15) -> str:
    return "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-lines:])


def free_port() -> int:
    """Find a free port of 127.0.0.1, below those that outgoing connections are given while a server starts."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
