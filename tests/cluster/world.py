"""A real cluster with hands: watched, and given its orders. How it comes there: `deployment.py`."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from confluent_kafka import Producer

from bank import ROOT, Bank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from local.partners.ecb import Ecb

NAMESPACE = "feedfall"
STAGE = "metadata.labels['feedfall/stage']"

LARGE = 16 * 2**20
"""Bytes that the topics' messages may have."""

ENDED = ("Succeeded", "Failed", "Error")


class Seen:
    """What this machine's watch saw of one kind: when each name came, in seconds of the wall clock, and its phase."""

    def __init__(self, kind: str) -> None:
        self.at: dict[str, float] = {}
        self.phase: dict[str, str] = {}
        self.stage: dict[str, str] = {}
        self.succeeded: dict[str, float] = {}
        self.deleted: set[str] = set()
        self._kind, self._closing = kind, threading.Event()
        self._watch = self._open()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def names(self, start: str) -> list[str]:
        return [name for name in list(self.at) if name.startswith(start)]

    def running(self) -> list[str]:
        return [name for name, phase in list(self.phase.items()) if phase not in ENDED and name not in self.deleted]

    def close(self) -> None:
        self._closing.set()
        self._watch.terminate()
        self._thread.join(10)

    def _open(self) -> subprocess.Popen[str]:
        parts = ("{.type}", *(f"{{.object.{path}}}" for path in ("metadata.name", "status.phase", STAGE)))
        form = "|".join(parts) + r"{'\n'}"
        words = ["kubectl", "-n", NAMESPACE, "get", self._kind, "-w", "--output-watch-events", "-o", f"jsonpath={form}"]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    def _read(self) -> None:
        """A watch that the server ends is opened again: it begins with all that is there."""
        while not self._closing.is_set():
            assert self._watch.stdout
            with self._watch.stdout as lines:
                for line in lines:
                    self._note(*line.strip().split("|"))
            self._watch.wait()
            if not self._closing.wait(0.5):
                self._watch = self._open()

    def _note(self, verb: str, name: str, phase: str, stage: str) -> None:
        self.at.setdefault(name, time.time())
        self.phase[name], self.stage[name] = phase, stage
        if phase == "Succeeded":
            self.succeeded.setdefault(name, time.time())
        if verb == "DELETED":
            self.deleted.add(name)


class Cluster:
    """Orders to the cluster, as an operator gives them."""

    def __init__(self, bank: Bank, manifest: str, folder: Path, ecb: Ecb) -> None:
        self.bank, self.manifest, self.folder, self.ecb = bank, manifest, folder, ecb
        self.workflows_seen, self.pods_seen = Seen("workflows"), Seen("pods")

    def close(self) -> None:
        self.workflows_seen.close()
        self.pods_seen.close()

    def documents(self, kind: str = "") -> list[dict[str, Any]]:
        """What was deployed."""
        return [each for each in yaml.safe_load_all(self.manifest) if kind in ("", each["kind"])]

    def kubectl(self, *words: str, check: bool = True, text: str | None = None) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", "-n", NAMESPACE, "--request-timeout=30s", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180, input=text)
        assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
        return done

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-o", "json").stdout)
        return found

    def items(self, kind: str, labels: str = "") -> list[dict[str, Any]]:
        words = ("-l", labels) if labels else ()
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, *words, "-o", "json").stdout)["items"]
        return found

    def submit(self, template: str, **parameters: str) -> str:
        """What the UI's form and `argo submit --from` do; gives the Workflow's name."""
        words = [word for name, value in parameters.items() for word in ("-p", f"{name.replace('_', '-')}={value}")]
        return self.argo("submit", "--from", f"workflowtemplate/{template}", *words, "-o", "name").splitlines()[-1]

    def argo(self, *words: str) -> str:
        command = ["argo", "-n", NAMESPACE, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def finished(self, name: str, seconds: float = 90) -> str:
        """Wait for a Workflow's end; gives its phase."""
        seen = self.workflows_seen.phase
        return until(f"{name} ends", lambda: seen.get(name) if seen.get(name) in ENDED else None, seconds)

    def result(self, workflow: str) -> dict[str, str]:
        """The RESULT line of the Workflow's last pod that has one."""
        words = self.results(f"workflows.argoproj.io/workflow={workflow}")
        assert words, f"{workflow} has no RESULT"
        return words[-1]

    def results(self, labels: str) -> list[dict[str, str]]:
        log = self.kubectl("logs", "-l", labels, "-c", "main", "--tail=-1", "--max-log-requests=200", check=False)
        lines = [line for line in log.stdout.splitlines() if line.startswith("RESULT ")]
        return [dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line)) for line in lines]

    def runs(self, feed: str, stage: str = "sub", since: float = 0.0) -> list[tuple[Any, ...]]:
        """The ledger's runs: name, status, counts, start and end in seconds."""
        return self.bank.rows(
            "SELECT name, status, counts, extract(epoch FROM started_at), extract(epoch FROM ended_at)"
            " FROM feedfall.run WHERE feed = %s AND stage = %s AND extract(epoch FROM started_at) >= %s ORDER BY id",
            *(feed, stage, since),
        )

    def quiet(self, seconds: float = 120) -> None:
        """Wait until nothing runs, but for the sweep."""
        until("the cluster is quiet", lambda: not self.busy(), seconds)

    def busy(self) -> list[str]:
        return [name for name in self.workflows_seen.running() if self.workflows_seen.stage[name] != "sweep"]

    @contextmanager
    def as_ci(self, account: str) -> Iterator[dict[str, str]]:
        """The environment of a CI job, with a token of an account of deploy/ci/rights.yaml."""
        self.kubectl("apply", "-f", str(ROOT / "deploy/ci/rights.yaml"))
        token = self.kubectl("create", "token", account, "--duration=1h").stdout.strip()
        with self.argo_server() as url:
            yield {"ARGO_SERVER": url, "ARGO_NAMESPACE": NAMESPACE, "ARGO_TOKEN": token}

    @contextmanager
    def argo_server(self) -> Iterator[str]:
        """Argo Server's address, for the block."""
        with self.forwarded("argo", "service/argo-server", 2746) as url:
            yield url

    @contextmanager
    def forwarded(self, namespace: str, target: str, port: int) -> Iterator[str]:
        """The address of one of the cluster's ports on this machine, for the block."""
        words = ["kubectl", "-n", namespace, "port-forward", target, f":{port}", "--address", "127.0.0.1"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        try:
            yield "http://" + process.stdout.readline().split()[2]
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()


def until(what: str, ready: Callable[[], Any], seconds: float, every: float = 0.1) -> Any:  # noqa: ANN401 -- as asked
    """Wait until `ready` gives something true; gives it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := ready():
            return found
        time.sleep(every)
    raise AssertionError(f"waited {seconds} s: {what}")


class Partner:
    """What another team's transactional publisher does: rows and, where asked, one bell, in one Kafka transaction."""

    def __init__(self, bank: Bank, name: str) -> None:
        own = {"bootstrap.servers": bank.kafka, "transactional.id": f"{bank.prefix}{name}", "linger.ms": 1}
        self._producer, self._bank = Producer(own), bank
        self._producer.init_transactions(30)

    def answer(self, feed: str, rows: Sequence[Mapping[str, Any]], *, commit: bool = True) -> float:
        """Send rows and ring; gives the moment before."""
        began = time.time()
        self._producer.begin_transaction()
        for row in rows:
            self._producer.produce(self._bank.topic(feed), json.dumps(row).encode(), json.dumps(row).encode())
        self._producer.produce(self._bank.topic(feed, "bell"), json.dumps({"feed": feed}).encode())
        self._producer.flush(30)
        if commit:
            self._producer.commit_transaction(30)
        else:
            self._producer.abort_transaction(30)
        return began


def spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    half, high = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return f"p50 {half:.2f} s, p95 {high:.2f} s"


def pairs(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    width = max(len(name) for name, _ in rows)
    return (f"{name:{width}}  {value}" for name, value in rows)
