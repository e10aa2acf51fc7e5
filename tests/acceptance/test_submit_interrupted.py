"""`feedfall submit` under signals, outages and `kill`; and the `logs` of what ran."""

import signal
import socket
import threading
import time
from contextlib import suppress
from typing import Self

import pytest

from bank import Bank
from submit_command import DAY, Desk, by_hand, ordered, until


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
    journal = bank.rows(
        "SELECT who, verb, feed, reason, detail->>'workflow' FROM feedfall.journal WHERE phase = 'done'"
    )
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
