"""`feedfall submit`, `kill` and `logs` as a scheduler calls them: processes, signals, exit codes, one RESULT line."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from bank import ROOT, Bank, Ended, ended
from local.argo.workflow import Workflow
from local.partners.ecb import Ecb, history
from local.servers.process import Processes
from local.world import World, play_on

SECONDS = 30
DAY, DAY_BEFORE = (fixing["Date"] for fixing in history()[:2])
KEY = DAY.replace("-", "")
SUNDAY = "2026-10-25"


DUE_SOON = """from dataclasses import replace
from datetime import time
import feeds.fx
FX = replace(feeds.fx.FX, zone="Etc/GMT{behind:+d}", order=time(9), due=time(12, {minute}, {second}))
"""  # wherever it is noon now


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


@pytest.fixture
def desk(bank: Bank, tmp_path: Path) -> Iterator[Desk]:
    bank.create("fx")
    with ExitStack() as stack:
        yield Desk(bank, tmp_path, stack)


# -- a feed's rows --


def test_submit__ends_when_the_rows_are_there_and_again_is_done_already(bank: Bank, desk: Desk) -> None:
    desk.play()
    first = desk.submit("fx", f"--date={DAY}", "--wait")
    rows = bank.value("SELECT count(*) FROM fx_rate")
    assert (first.exit, first.status, first.counts("rows", "quarantined")) == (0, "SUCCEEDED", [rows, 0])
    assert (first.words["run"], first.words["request"]) == (f"fx-pub-{KEY}-1", "complete")
    again = desk.submit("fx", f"--date={KEY}", "--wait")
    assert (again.exit, again.status, again.counts("rows")) == (0, "ALREADY_DONE", [rows])
    assert len(desk.runs("fx-pub")) == 1
    assert bank.broken("fx") == []


@pytest.mark.parametrize(("lenient", "code"), [((), 77), (("--lenient",), 0)])
def test_submit__a_holiday_is_not_done(desk: Desk, lenient: tuple[str, ...], code: int) -> None:
    desk.play()
    closed = desk.submit("fx", f"--date={SUNDAY}", "--wait", *lenient)
    assert (closed.exit, closed.status) == (code, "SKIPPED")


def test_submit__a_policy_moves_the_order_and_its_key(desk: Desk) -> None:
    desk.play()
    moved = desk.submit("fx", f"--date={SUNDAY}", "--policy=OrderOnPreviousConfirmedDay", "--wait")
    assert (moved.exit, moved.words["date"], moved.words["run"]) == (0, "2026-10-23", "fx-pub-20261023-1")


def test_submit__a_held_feed_is_not_done_and_the_same_order_goes_on_when_it_is_free(bank: Bank, desk: Desk) -> None:
    desk.play()
    by_hand(desk, "hold", "fx", "--reason=late close")
    held = desk.submit("fx", f"--date={DAY}", "--wait")
    assert (held.exit, held.status, "late close" in held.words["reason"]) == (77, "HELD", True)
    by_hand(desk, "free", "fx", "--reason=closed")
    freed = desk.submit("fx", f"--date={DAY}", "--wait")
    assert (freed.exit, freed.status, freed.words["run"]) == (0, "SUCCEEDED", f"fx-pub-{KEY}-1-2")


def test_submit__a_feed_held_while_it_waits_is_not_done(desk: Desk) -> None:
    desk.play(bells=False)
    waiting = desk.start("submit", "fx", f"--date={DAY}", "--wait")
    until(lambda: ordered(desk.bank) == ["sent"])
    by_hand(desk, "hold", "fx", "--reason=late close")
    assert (desk.end(waiting).exit, ordered(desk.bank)) == (77, ["sent"])


def test_submit__a_silent_partner_is_82(bank: Bank, desk: Desk) -> None:
    desk.play(bells=False)
    late = desk.submit("fx", f"--date={DAY}", "--wait", "--timeout=4s")
    assert (late.exit, late.status, late.words["request"]) == (82, "NO_RESPONSE", "sent")
    assert re.search(r"^absent, due 17:00 CET: its request was sent at .* and is not answered", late.words["reason"])


def test_submit__an_order_before_its_due_time_waits_until_then_and_says_what_is_there(bank: Bank, desk: Desk) -> None:
    desk.play(bells=False)
    soon = datetime.now(UTC) + timedelta(seconds=12)
    due = DUE_SOON.format(behind=soon.hour - 12, minute=soon.minute, second=soon.second)
    (desk.folder / "early").mkdir()
    (desk.folder / "early" / "__init__.py").write_text("")
    (desk.folder / "early" / "fx.py").write_text(due)
    path = os.pathsep.join((str(ROOT / "tests"), str(desk.folder)))
    told = {"FEEDFALL_FEEDS": "early", "PYTHONPATH": path}
    began = time.monotonic()
    late = desk.submit("fx", f"--date={soon.date()}", "--policy=OrderAnyway", "--wait", **told)
    assert (late.exit, late.status, time.monotonic() - began < SECONDS) == (82, "NO_RESPONSE", True)
    assert re.search(r"^absent, due 12:\d\d .*: its request was sent at .* and is not answered", late.words["reason"])


def test_submit__a_rerun_asks_with_the_next_seq_and_a_reason(bank: Bank, desk: Desk) -> None:
    desk.play()
    assert desk.submit("fx", f"--date={DAY}", "--wait").exit == 0
    assert desk.submit("fx", f"--date={DAY}", "--wait", "--rerun").exit == 78
    again = desk.submit("fx", f"--date={DAY}", "--wait", "--rerun", "--reason=corrected rates")
    assert (again.exit, again.status, again.words["run"]) == (0, "SUCCEEDED", f"fx-pub-{KEY}-2")
    assert bank.rows("SELECT DISTINCT _seq FROM fx_rate") == [(2,)]
    journal = bank.rows("SELECT who, verb, feed, reason, detail->>'seq' FROM feedfall.journal")
    assert journal == [("ci", "rerun", "fx", "corrected rates", "2")]


def test_submit__killed_in_mid_wait_its_order_goes_on_and_is_found_again(bank: Bank, desk: Desk) -> None:
    desk.play(bells=False)
    with desk.start("submit", "fx", f"--date={DAY}", "--wait") as first:
        until(lambda: ordered(bank) == ["sent"])
        first.kill()
    second = desk.start("submit", "fx", f"--date={DAY}", "--wait")
    desk.done("fx-relay")
    desk.done("fx-sub")
    found = desk.end(second)
    assert (found.exit, found.words["request"], len(desk.runs("fx-pub"))) == (0, "complete", 1)


def test_submit__without_wait_only_starts(desk: Desk) -> None:
    desk.play()
    started = desk.submit("fx", f"--date={DAY}")
    assert (started.exit, started.status, started.words["run"]) == (0, "STARTED", f"fx-pub-{KEY}-1")


# -- a stage or a script --


def test_submit__a_scripts_log_and_result_are_the_commands(desk: Desk) -> None:
    desk.play()
    proven = desk.submit("fx-verify", "--wait")
    assert (proven.exit, proven.status, proven.words["stage"]) == (0, "SUCCEEDED", "verify")
    assert proven.words["run"] == desk.runs("fx-verify")[0].name


def test_submit__the_pods_own_code_is_the_commands(bank: Bank, desk: Desk) -> None:
    desk.play(settings={"FEEDFALL_TOPIC_PREFIX": "nowhere."})
    refused = desk.submit("fx", "sub", "--wait")
    assert (refused.exit, refused.status, "nowhere.fx.response" in refused.words["reason"]) == (78, "FAILED", True)


def test_submit__busy_is_not_done(desk: Desk) -> None:
    desk.play(bells=False)
    desk.done("fx-pub", **{"base-date": DAY})
    desk.ecb.delay = SECONDS  # one long question: a relay that is refused lets the lease go between its attempts
    desk.here.player.submit("fx-relay")  # a doorbell's: `submit` follows only what a `submit` started
    until(lambda: desk.ecb.requests)
    busy = desk.submit("fx", "relay", "--wait")
    assert (busy.exit, busy.status) == (77, "BUSY")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gold",), '"gold" not found'),
        (("gold", "sub"), "no feed 'gold': there are "),
        (("fx", "nap"), '"fx-nap" not found'),
        (("fx", "--date=2026-13-01"), "is not a date: write YYYY-MM-DD"),
        (("fx", "--timeout=soon"), "no time such as 90s"),
        (("fx-verify", "--param=x"), "is not NAME=VALUE"),
        (("fx-verify", "--rerun"), "--rerun is for a feed's rows"),
    ],
)
def test_submit__a_wrong_order_is_78(desk: Desk, words: tuple[str, ...], said: str) -> None:
    desk.play(bells=False)
    refused = desk.submit(*words, "--wait")
    assert (refused.exit, refused.status, said in refused.words["reason"]) == (78, "FAILED", True)


def test_submit__without_settings_is_78_and_names_them(desk: Desk) -> None:
    desk.play(bells=False)
    assert "ARGO_SERVER" in desk.submit("fx", ARGO_SERVER="").words["reason"]
    assert "DATABASE_URL" in desk.submit("fx", DATABASE_URL="").words["reason"]


# -- signals, outages, kill --


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_submit__a_signal_stops_the_run_and_waits_for_it(desk: Desk, end: signal.Signals) -> None:
    desk.play(bells=False)
    command = desk.asking()
    command.send_signal(end)
    stopped = desk.end(command)
    [relay] = desk.runs("fx-relay")
    assert (stopped.exit, stopped.status, relay.phase, len(relay.attempts)) == (143, "STOPPED", "Failed", 1)
    assert relay.finished is not None


def test_submit__a_signal_while_the_answer_is_awaited_leaves_the_order(desk: Desk) -> None:
    desk.play(bells=False)
    waiting = desk.start("submit", "fx", f"--date={DAY}", "--wait")
    until(lambda: ordered(desk.bank) == ["sent"] and desk.runs("fx-pub")[0].ended.is_set())
    waiting.terminate()
    assert (desk.end(waiting).exit, ordered(desk.bank)) == (143, ["sent"])


def test_submit__killed_its_run_goes_on_and_is_found_again(bank: Bank, desk: Desk) -> None:
    desk.play(bells=False)
    desk.done("fx-pub", **{"base-date": DAY})
    desk.ecb.delay = 4
    with desk.start("submit", "fx", "relay", "--wait") as first:
        until(lambda: desk.ecb.requests)
        first.kill()
    found = desk.submit("fx", "relay", "--wait")
    assert (found.exit, found.status, len(desk.runs("fx-relay"))) == (0, "SUCCEEDED", 1)


def test_submit__outlives_an_argo_that_is_away(bank: Bank, desk: Desk) -> None:
    here = desk.play(bells=False)
    desk.done("fx-pub", **{"base-date": DAY})
    desk.ecb.delay = 6
    with Cable(here.api_url) as cable:
        command = desk.start("submit", "fx", "relay", "--wait", ARGO_SERVER=cable.url)
        until(lambda: desk.ecb.requests)
        cable.pull()
        time.sleep(3)
        cable.plug()
        outlived = desk.end(command)
    assert (outlived.exit, outlived.status, "out of reach" in outlived.stderr) == (0, "SUCCEEDED", True)


def test_submit__loses_patience_with_an_argo_that_stays_away(desk: Desk) -> None:
    desk.play(bells=False)
    lost = desk.submit("fx-verify", "--wait", "--patience=1s", ARGO_SERVER="http://127.0.0.1:9")
    assert (lost.exit, lost.status) == (75, "LOST")


def test_kill__stops_what_runs_of_a_feed_for_good(bank: Bank, desk: Desk) -> None:
    desk.play(bells=False)
    command = desk.asking()
    killed = by_hand(desk, "kill", "fx", "--reason=wrong partner")
    [relay] = desk.runs("fx-relay")
    assert f"{relay.name} was stopped." in killed
    assert (relay.phase, len(relay.attempts), desk.end(command).exit) == ("Failed", 1, 143)
    journal = bank.rows("SELECT who, verb, feed, reason, detail->>'workflow' FROM feedfall.journal")
    assert journal == [("ci", "kill", "fx", "wrong partner", relay.name)]
    assert by_hand(desk, "kill", "fx", "--reason=again") == "nothing of fx runs.\n"


def test_logs__show_every_attempt(desk: Desk) -> None:
    desk.play(bells=False)
    name = desk.done("fx-verify").name
    assert by_hand(desk, "logs", name).splitlines()[-1].startswith("RESULT status=SUCCEEDED feed=fx stage=verify")
    assert by_hand(desk, "logs", name, "--follow").count("RESULT ") == 1


class Cable:
    """A way to a server that can be pulled: what flows is cut, and nobody answers."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rsplit(":", 1)[1])
        self._ends: set[socket.socket] = set()

    def __enter__(self) -> Self:
        self._own = 0
        self.plug()
        self.url = f"http://127.0.0.1:{self._own}"
        return self

    def __exit__(self, *_: object) -> None:
        self.pull()

    def plug(self) -> None:
        self._door = socket.create_server(("127.0.0.1", self._own))
        self._own = self._door.getsockname()[1]
        threading.Thread(target=self._answer, args=(self._door,), daemon=True).start()

    def pull(self) -> None:
        for each in (self._door, *self._ends):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._ends.clear()

    def _answer(self, door: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = door.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._ends |= {near, far}
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)


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
