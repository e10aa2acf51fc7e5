"""Kills at random instants: one to four pods of one feed at once, signals when nobody expects them, and then the books.

A storm is one world. Pods are started, each with an appointment: after so many milliseconds it is killed, terminated or
frozen (and thawed later, when its lease may be gone). The seed fixes who is started and when each is struck; what that
hits is the machine's business. The oracle knows only what was sent, and compares it with the table.
"""

from __future__ import annotations

import json
import random
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from catalog import Envelope
from proof.partner import rows_of
from proof.pod import Hung, Pods
from proof.scene import KINDS as TOPICS
from proof.scene import RELAY, SUB, Scene
from proof.world import LEASE, MUST_BE_EMPTY, PASSING, Unrecovered, world

if TYPE_CHECKING:
    from proof.pod import Pod
    from proof.scene import Message
    from proof.world import Servers, World

AT_ONCE = 4
#: A pod lives for about a fifth of a second; struck within this time it mostly still does.
SOON = 0.25
SIGNALS = (signal.SIGKILL,) * 8 + (signal.SIGTERM, signal.SIGSTOP)
FIRST, DAYS = date(2026, 1, 1), 240
MESSAGES = 700


@dataclass
class Storm:
    """How a storm went. `differences` is empty where the promise held."""

    name: str
    kind: str
    seed: int
    struck: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    differences: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        return sum(count for key, count in self.struck.items() if key.startswith("SIGKILL"))


def messages() -> list[Message]:
    """Rows, corrections of rows (newer by seq), and bad ones: what the storm over sub finds on its topic."""
    found: list[Message] = []
    for number in range(MESSAGES):
        of, seq = (number - 3, 2) if number % 7 == 6 else (number, 1)
        price = "bad" if number % 50 == 49 else f"{number % 900 + 1}.{seq}"
        row = {"base_date": "2026-03-04", "code": f"K{of}", "price": price}
        found.append(("response", json.dumps(row).encode(), Envelope(None, None, seq).headers()))
    return found


def loaded() -> set[tuple[str, str, str, int]]:
    """What of them must stand in the table: the oracle, which knows nothing of offsets and chunks."""
    newest: dict[str, tuple[str, str, str, int]] = {}
    for _, value, headers in messages():
        row, seq = json.loads(value), Envelope.of(headers).seq
        if row["price"] != "bad" and (row["code"] not in newest or newest[row["code"]][3] <= seq):
            newest[row["code"]] = (row["base_date"], row["code"], row["price"], seq)
    return set(newest.values())


def asked() -> set[tuple[str, str, str, int]]:
    """What the partner has of every day that is ordered."""
    every = [row for number in range(DAYS) for row in rows_of(FIRST + timedelta(days=number))]
    return {(row["base_date"], row["code"], row["price"], 1) for row in every}


def pub(first: int, days: int) -> tuple[str, ...]:
    start = FIRST + timedelta(days=first)
    return ("pub", "--feed=rate", f"--from={start}", f"--to={start + timedelta(days=days - 1)}")


#: Kind → what lies on its topics, the stages that bring it to its end, what the table must hold then.
KINDS = {
    "sub": (Scene("sub", SUB, messages(), []), (SUB,), loaded),
    "flow": (Scene("flow", SUB, [], [], kinds=TOPICS), (pub(0, DAYS), RELAY, SUB), asked),
}


def rage(servers: Servers, storm: Storm, kills: int) -> Storm:
    """Strike until so many were killed; then let it come to its end, and compare."""
    began = time.monotonic()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            Pods(Path(folder)) as pods,
            world(servers, storm.name, pods) as here,
        ):
            _Rage(here, storm, kills).run()
            for words in KINDS[storm.kind][1]:
                here.to_the_end(words)
            _compare(here, storm)
    except (Hung, Unrecovered) as error:
        storm.differences.append(str(error))
    storm.seconds = time.monotonic() - began
    return storm


class _Rage:
    """The pods that live now, each with its appointments."""

    def __init__(self, here: World, storm: Storm, kills: int) -> None:
        self._here, self._storm, self._kills = here, storm, kills
        self._dice = random.Random(f"{storm.seed} {storm.name[-3:]}")
        self._due: dict[Pod, list[tuple[float, signal.Signals]]] = {}
        self._retry: Pod | None = None

    def run(self) -> None:
        while self._storm.kills < self._kills:
            if len(self._due) < self._dice.randint(1, AT_ONCE):
                self._start()
            self._strike()
            time.sleep(0.002)
        for pod in self._due:  # no more strikes; whoever is frozen wakes up and must find itself refused
            pod.signal(signal.SIGCONT)
        for pod in self._due:
            pod.stopped = False
            pod.wait()
            self._ended(pod)

    def _start(self) -> None:
        words = SUB if self._storm.kind == "sub" else self._dice.choice((self._order(), RELAY, RELAY, SUB, SUB))
        again = self._retry if self._dice.random() < 0.5 else None  # Argo's retry of one that died, or a doorbell
        pod = self._here.start(words, again.uid if again and again.stage == words[0] else "")
        at, what = time.monotonic() + self._dice.uniform(0, SOON), self._dice.choice(SIGNALS)
        self._due[pod] = [(at, what)]
        if what == signal.SIGSTOP:
            self._due[pod].append((at + self._dice.uniform(0.1, 3 * LEASE), signal.SIGCONT))
        self._retry = None if again else self._retry

    def _order(self) -> tuple[str, ...]:
        return pub(self._dice.randrange(DAYS - 5), self._dice.randint(1, 5))

    def _strike(self) -> None:
        for pod, appointments in list(self._due.items()):
            pod.look()
            if pod.code is not None:
                del self._due[pod]
                self._ended(pod)
            elif appointments and appointments[0][0] <= time.monotonic():
                _, what = appointments.pop(0)
                pod.stopped = False
                pod.signal(what)
                if what in (signal.SIGSTOP, signal.SIGTERM):
                    self._storm.struck[f"{what.name} {pod.stage}"] += 1

    def _ended(self, pod: Pod) -> None:
        if pod.code == -signal.SIGKILL:
            self._storm.struck[f"SIGKILL {pod.stage}"] += 1
            self._retry = pod
        elif pod.code not in (*PASSING, -signal.SIGTERM):
            self._storm.differences.append(f"{pod.stage} ended with {pod.code}:\n{pod.printed()}")


def _compare(here: World, storm: Storm) -> None:
    """The books, and the oracle."""
    _, _, oracle = KINDS[storm.kind]
    facts = here.facts()
    storm.differences += [f"verify: {sentence}" for sentence in facts.broken]
    storm.differences += [f"{name}: {facts.found[name]}" for name in MUST_BE_EMPTY if facts.found[name]]
    found, expected = Counter(_plain(row) for row in facts.found["rows"]), Counter(oracle())
    storm.rows = found.total()
    for what, rows in (("lost", expected - found), ("too many", found - expected)):
        if rows:
            storm.differences.append(f"{rows.total()} rows {what}: {list(rows)[:5]}")
    [(_, read, loads, superseded, duplicate, quarantined, deferred)] = facts.found["fates of sub"]
    if storm.kind == "flow" and (read, loads) != (len(expected), len(expected)):
        storm.differences.append(f"sub saw {read} rows of {len(expected)}: an answer was visible twice, or not at all")
    if storm.kind == "sub" and (read, quarantined) != (MESSAGES, MESSAGES // 50):
        storm.differences.append(f"{read} of {MESSAGES} messages were read, {quarantined} went to quarantine")
    if read != loads + superseded + duplicate + quarantined + deferred:
        storm.differences.append("the fates do not add up")


def _plain(row: tuple[str, str, str, int]) -> tuple[str, str, str, int]:
    """The database writes eight digits after the point."""
    return (row[0], row[1], row[2].rstrip("0").rstrip("."), row[3])
