"""`feedfall submit` and its like as processes, on a world that plays the templates."""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bank import ROOT, Bank, Ended, ended
from local.argo.workflow import Workflow
from local.partners.ecb import Ecb, history
from local.servers.process import Processes
from local.world import World, play_on

SECONDS = 30
DAY, DAY_BEFORE = (fixing["Date"] for fixing in history()[:2])
KEY = DAY.replace("-", "")


class Desk:
    """A world on the session's servers, and the command in it."""

    def __init__(self, bank: Bank, folder: Path, stack: ExitStack) -> None:
        self.bank, self.folder, self._stack = bank, folder, stack
        self.ecb = Ecb()

    def play(self, **options: Any) -> World:  # noqa: ANN401 -- those of `play_on`
        processes, prefix = self._stack.enter_context(Processes()), {"FEEDFALL_TOPIC_PREFIX": self.bank.prefix}
        told = {"settings": prefix, "backoff": 0.05, "simulators": {"ecb": self.ecb}, **options}
        here = play_on(self.folder, ("feeds",), processes, self.bank.url, self.bank.kafka, **told)
        self.here = self._stack.enter_context(here)
        return self.here

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "cli", *words]
        told = self.bank.environment(**{**self.here.environ, "FEEDFALL_BY": "ci", **environ})
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=told, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)

    def submit(self, *words: str, **environ: str) -> Ended:
        return self.end(self.start("submit", *words, **environ))

    def end(self, command: subprocess.Popen[str]) -> Ended:
        stdout, stderr = command.communicate(timeout=SECONDS)
        return ended(command.returncode, stdout, stderr)

    def runs(self, template: str) -> list[Workflow]:
        return [each for each in self.here.player.workflows() if each.template.name == template]

    def done(self, template: str, **parameters: str) -> Workflow:
        return self.here.player.wait(self.here.player.submit(template, parameters).name, SECONDS)

    def asking(self) -> subprocess.Popen[str]:
        """A `submit fx relay` whose relay asks its partner again and again."""
        self.done("fx-pub", **{"base-date": DAY})
        self.ecb.failures = [503] * 99
        command = self.start("submit", "fx", "relay", "--wait")
        until(lambda: self.ecb.requests)
        return command


def by_hand(desk: Desk, *words: str) -> str:
    command = desk.start(*words)
    stdout, stderr = command.communicate(timeout=SECONDS)
    assert command.returncode == 0, stdout + stderr
    return stdout


def ordered(bank: Bank) -> list[str]:
    return [status for (status,) in bank.rows("SELECT status FROM feedfall.request")]


def until(reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)
