"""One deployment for the session, measured figures at its end. `make e2e`, or `python -m pytest tests/cluster`."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest

import feeds
from bank import PACKAGES, ROOT, Bank
from cluster import world
from cluster.world import Cluster, Partner, until
from local.partner import Ecb, partner

if TYPE_CHECKING:
    from collections.abc import Iterator

FIGURES: list[tuple[str, str]] = []
FAILED: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        FAILED.append(report.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        terminalreporter.section("measured on this cluster")
        for line in world.pairs(FIGURES):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figure() -> list[tuple[str, str]]:
    return FIGURES


@pytest.fixture(scope="session")
def ecb() -> Ecb:
    return Ecb()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, ecb: Ecb) -> Iterator[Cluster]:
    """Build, deploy, hand over, collect logs, clean up. FEEDFALL_E2E_KEEP=1 leaves all as it is."""
    began, name = time.time(), f"e2e{time.time():.0f}"
    started = world.ready(print)
    tmp = tmp_path_factory.mktemp("image")
    world.images(tmp)
    built = time.time()
    bank = Bank(world.KAFKA, world.database(name), f"{name}.")
    for feed in feeds.names(PACKAGES):
        bank.create(feed, partitions=3, **{"max.message.bytes": str(world.LARGE)})
    with partner(ecb, (world.HOST, 0)) as url:
        _apply(
            world.partner_service(urlsplit(url).port or 0), world.rendered(tmp_path_factory.mktemp("manifests"), name)
        )
        found = Cluster(bank)
        _listening(found)
        FIGURES.append(("image built and handed over", f"{built - began:.0f} s"))
        FIGURES.append(("deployed and listening", f"{time.time() - built:.0f} s"))
        yield found
        if FAILED:
            world.logs(Path(os.environ.get("FEEDFALL_E2E_LOGS", ROOT / ".local/e2e-logs")))
        found.close()
        if not os.environ.get("FEEDFALL_E2E_KEEP"):
            _remove(name)
            if started:
                subprocess.run([world.RIG, "down"], check=True)


@pytest.fixture(scope="session")
def publisher(cluster: Cluster) -> Partner:
    return Partner(cluster.bank)


@pytest.fixture(autouse=True)
def _calm(cluster: Cluster) -> None:
    cluster.quiet()


def _apply(*manifests: str) -> None:
    for manifest in manifests:
        command = ["kubectl", "apply", "-f", "-"]
        subprocess.run(command, input=manifest, text=True, check=True, capture_output=True, timeout=120)


def _listening(cluster: Cluster) -> None:
    """The bus, the EventSource and the Sensor are ready, and a first message has rung."""
    for kind in ("eventbus", "eventsource", "sensor"):
        cluster.kubectl("wait", kind, "feedfall", "--for=condition=Deployed", "--timeout=120s")
    cluster.kubectl("rollout", "status", "statefulset/eventbus-feedfall-js", "--timeout=150s")
    for owner in ("eventsource-name", "sensor-name"):
        cluster.kubectl("wait", "deployment", "-l", f"{owner}=feedfall", "--for=condition=Available", "--timeout=120s")

    def rung() -> bool:
        cluster.bank.send(cluster.bank.topic("fx", "bell"), b"{}")
        time.sleep(2)
        return bool(cluster.workflows_seen.names("fx-sub-"))

    until("a message on fx.bell makes a Workflow", rung, 90)


def _remove(name: str) -> None:
    subprocess.run(
        ["kubectl", "delete", "namespace", world.NAMESPACE, "--timeout=120s"], check=True, capture_output=True
    )
    with psycopg.connect(world.DATABASE, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
