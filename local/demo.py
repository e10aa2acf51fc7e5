"""The demo: from a request to rows, on real servers, with each fault that can be seen happening once.

    request a range of days ─▶ relay asks the ECB ─▶ the bell rings ─▶ sub loads, is killed in mid-chunk, starts again
    request a holiday ─▶ SKIPPED     request a day again ─▶ ALREADY_DONE     then: rates, quarantine, runs, proof

Called by `feedfall demo`. The commands that it shows are the ones that an operator types.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import business_day
from ledger import lease, request
from ledger.database import connect
from ledger.key import LeaseKey
from local.partners.ecb import Ecb
from local.world import World, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.argo.workflow import Event
    from local.servers.process import Say

#: The newest fixing of the real history that comes with the partner simulator, and the first one.
NEWEST, OLDEST = date(2026, 10, 30), date(1999, 1, 4)
POISON = {(date(2026, 10, 29), "KRW"): "N.A."}
HOLIDAY = date(2026, 4, 3)
#: Seconds after which a demo that has not finished stops waiting and says so.
PATIENCE = 600.0


class Stuck(Exception):  # noqa: N818 -- reads as what happened
    """The demo did not finish; the text says where to look."""


def demo(folder: Path, days: int | None, say: Say = print) -> None:
    """Play it. `days`: how many TARGET days up to the newest; None: all since 1999."""
    first = first_of(days)
    reporter = ResultPrinter(say)
    say(f"Starting Apache Kafka, PostgreSQL and a partner that serves the ECB's own history, in {folder}")
    with world(folder, say=say, simulators={"ecb": Ecb(poison=POISON)}, backoff=0.1, on_event=reporter) as here:
        reporter.killer = killer = Killer(here.database_url, say)
        say(f"\n1. Request every day from {first} to {NEWEST}; the doorbell does the rest.")
        say("   The first sub is killed in mid-chunk, and started again (Argo's wait of 10 s is 1 s here).\n")
        started = time.monotonic()
        order(here, {"from": first.isoformat(), "to": NEWEST.isoformat()})
        wait_until_complete(here)
        seconds = time.monotonic() - started
        if not killer.hit.is_set():
            say("   (the chunk was over before it could be killed: nothing to see this time)")
        say(f"\n   From the first request to the last row: {seconds:.1f} s.")
        say(f"\n2. Order {HOLIDAY}, Good Friday; then {NEWEST} once more.\n")
        order(here, {"base-date": HOLIDAY.isoformat()})
        order(here, {"base-date": NEWEST.isoformat()})
        say("\n3. What an operator sees.")
        for words in ("newest fx --limit 6", "quarantine list fx", "runs fx --limit 8", "verify fx"):
            say(f"\n$ feedfall {words}")
            say(run_command(here, words))
    say("\nEverything that was started is stopped.")


def first_of(days: int | None) -> date:
    """The first day of a span of so many TARGET days up to the newest."""
    if days is None:
        return OLDEST
    calendar, day = business_day.calendar("TARGET"), NEWEST
    for _ in range(days - 1):
        day = max(calendar.previous(day), OLDEST)
    return day


def order(here: World, parameters: dict[str, str]) -> None:
    """Submit fx-pub as the Argo UI would, and wait for its end."""
    ended = here.player.wait(here.player.submit("fx-pub", parameters).name, PATIENCE)
    if ended.phase != "Succeeded":
        raise Stuck(f"{ended.name} is {ended.phase}: {ended.message}. Its log is in {here.player.folder}")


def wait_until_complete(here: World) -> None:
    """Wait until every request is complete and every pod has gone."""
    deadline = time.monotonic() + PATIENCE
    with closing(connect(here.database_url, "demo", autocommit=True)) as connection:
        while request.count_waiting(connection, "fx") or any(
            not each.ended.is_set() for each in here.player.workflows()
        ):
            if time.monotonic() > deadline:
                raise Stuck(f"not complete after {PATIENCE:.0f} s. The logs are in {here.player.folder}")
            time.sleep(0.05)


def run_command(here: World, words: str) -> str:
    """What one of the operators' commands prints."""
    command = [sys.executable, "-m", "cli", *words.split()]
    done = subprocess.run(command, env={**os.environ, **here.environ}, capture_output=True, text=True, check=False)  # noqa: S603 -- our own command
    return (done.stdout + done.stderr).rstrip()


@dataclass
class ResultPrinter:
    """Prints the RESULT line of each pod, and each Workflow that failed."""

    say: Say
    killer: Killer | None = None
    result: dict[str, str] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        name = event.workflow.name
        match event.kind:
            case "started":
                if self.killer and event.workflow.template.name == "fx-sub":
                    self.killer.watch(event)
            case "line":
                if event.text.startswith("RESULT "):
                    self.say(f"   {event.text}")
            case "ended":
                if event.workflow.phase != "Succeeded":
                    self.say(f"   {name}: {event.workflow.phase} {event.workflow.message}")


class Killer:
    """Kills one sub with SIGKILL, once, surely in mid-chunk: it freezes the process first, then checks."""

    def __init__(self, url: str, say: Say) -> None:
        self._url, self._say = url, say
        self._lock = threading.Lock()
        self.hit = threading.Event()

    def watch(self, event: Event) -> None:
        """Wait for a chunk of this pod, in a thread of its own."""
        threading.Thread(target=self._watch, args=(event,), daemon=True).start()

    def _watch(self, event: Event) -> None:
        with self._lock, closing(connect(self._url, "demo", autocommit=True)) as connection:
            for _ in self._while_alive(event):
                child = event.workflow.attempts[-1].child
                if child is None or not lease.at_work(connection, LeaseKey("fx", "sub")):
                    continue
                os.kill(child.pid, signal.SIGSTOP)
                time.sleep(0.1)  # a COMMIT already on its way would be through by now
                if lease.at_work(connection, LeaseKey("fx", "sub")):
                    os.kill(child.pid, signal.SIGKILL)
                    self.hit.set()
                    self._say(f"   SIGKILL for {event.workflow.name}, in mid-chunk: the chunk's rows are rolled back")
                os.kill(child.pid, signal.SIGCONT)

    def _while_alive(self, event: Event) -> Iterator[None]:
        while not (self.hit.is_set() or event.workflow.ended.is_set()):
            yield
            time.sleep(0.001)
