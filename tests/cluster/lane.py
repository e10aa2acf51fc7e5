"""Scenarios side by side. A lane is a feed with hands: its own rows, its table's lock, its runs.

`@beside(FEED)` makes of a scenario a test that waits for it. All scenarios begin with the first such test: one thread a
lane, in the order of the file. Most of what they do is wait, for Argo's back-off, a lease's end or a sweep.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import defaultdict
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from bank import ROOT
from cluster.world import Cluster, Partner, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BOUND = 900
"""Seconds for a scenario with all that stand before it in its lane: a bound, no claim."""

Figures = list[tuple[str, str]]


@dataclass
class Lane:
    """One feed's hands. A row is known by a number, which no other scenario of the lane uses."""

    cluster: Cluster
    publisher: Partner
    feed: str

    @property
    def table(self) -> str:
        return "fx_rate" if self.feed == "fx" else self.feed

    def send(self, *numbers: int) -> None:
        """Let rows arrive as this feed's do: fx by a transaction and a bell, brief as one array, the others singly."""
        match self.feed:
            case "fx":
                rows = [{"base_date": _day(each).isoformat(), "currency": "USD", "rate": "1.1"} for each in numbers]
                self.publisher.answer("fx", rows)
            case "brief":
                rows = [{"symbol": f"S{each}", "volume": each} for each in numbers]
                self.cluster.bank.send(self.cluster.bank.topic("brief"), json.dumps(rows).encode())
            case "latest":
                rows = [{"symbol": f"S{each}", "base_date": "2026-01-02", "price": "1"} for each in numbers]
                self.cluster.bank.respond("latest", rows)
            case _:
                rows = [{"symbol": f"S{each}", "price": "1", "volume": each, "note": None} for each in numbers]
                self.cluster.bank.respond("tick", rows)

    def loaded(self, number: int) -> str | None:
        """The name of the run that loaded a row; None as long as it is not there."""
        column, key = ("base_date", _day(number)) if self.feed == "fx" else ("symbol", f"S{number}")
        by = f"SELECT r.name FROM {self.table} f JOIN feedfall.run r ON r.id = f._run WHERE {column} = %s"
        found = self.cluster.bank.rows(by, key)
        return str(found[0][0]) if found else None

    def count(self) -> int:
        return int(self.cluster.bank.value(f"SELECT count(*) FROM {self.table}"))

    @contextmanager
    def stuck(self) -> Iterator[None]:
        """Hold a run in mid-chunk: its COPY waits for this lock."""
        with psycopg.connect(self.cluster.bank.url) as connection:
            connection.execute(f"LOCK TABLE {self.table} IN SHARE MODE".encode())
            yield

    def in_mid_chunk(self) -> str:
        """The name of the run that waits for the lock."""
        waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
        until(f"a run of {self.feed} is in mid-chunk", lambda: self.cluster.bank.rows(waits, self.table), 90)
        runs = "SELECT name FROM feedfall.run WHERE status = 'RUNNING' AND stage = 'sub' AND feed = %s"

        def one() -> str | None:  # a second one may just be looking at the lease, to say BUSY
            found = self.cluster.bank.rows(runs, self.feed)
            return found[0][0] if len(found) == 1 else None

        return str(until(f"the others of {self.feed} have left", one, 30))

    def pods(self, workflow: str) -> list[dict[str, Any]]:
        return self.cluster.items("pods", f"workflows.argoproj.io/workflow={workflow}")

    def attempts(self, workflow: str) -> list[str]:
        """The exit codes of a Workflow's pods, as Argo booked them."""
        nodes = self.cluster.get("workflow", workflow)["status"]["nodes"].values()
        pods = sorted((each for each in nodes if each["type"] == "Pod"), key=lambda each: each["startedAt"])
        return [each.get("outputs", {}).get("exitCode", "") for each in pods]

    def feedfall(self, *words: str, code: int = 0, **environ: str) -> str:
        """The command, as a person types it; gives what it printed."""
        done = self.begin(*words, **environ)
        printed, errors = done.communicate(timeout=300)
        assert done.returncode == code, (words, done.returncode, printed, errors)
        return printed

    def begin(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "cli", *words]
        env = self.cluster.bank.environment(**environ)
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=env, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


SCENARIOS: dict[str, list[Any]] = defaultdict(list)


def beside(feed: str) -> Callable[[Any], Any]:
    """Run a scenario in its feed's lane; the test of its name waits for it."""

    def hang(scenario: Any) -> Any:  # noqa: ANN401 -- a scenario, a test
        SCENARIOS[feed].append(scenario)

        def test(together: Mapping[str, Future[None]]) -> None:
            together[scenario.__name__].result(BOUND)

        test.__doc__ = scenario.__doc__
        return test

    return hang


def start(selected: set[str], cluster: Cluster, publisher: Partner, figure: Figures) -> dict[str, Future[None]]:
    """Begin the lanes with what was selected of them."""
    promised: dict[str, Future[None]] = {}
    for feed, scenarios in SCENARIOS.items():
        chosen = [each for each in scenarios if each.__name__ in selected]
        promised |= {each.__name__: Future() for each in chosen}
        lane = Lane(cluster, publisher, feed)
        threading.Thread(target=_run, args=(lane, chosen, promised, figure), daemon=True, name=feed).start()
    return promised


def _run(lane: Lane, scenarios: list[Any], promised: Mapping[str, Future[None]], figure: Figures) -> None:
    for scenario in scenarios:
        try:
            scenario(lane, figure)
            promised[scenario.__name__].set_result(None)
        except BaseException as error:  # noqa: BLE001 -- raised where the test waits
            promised[scenario.__name__].set_exception(error)


def _day(number: int) -> date:
    return date(1900, 1, 1) + timedelta(days=number)
