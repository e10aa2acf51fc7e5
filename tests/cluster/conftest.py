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

from bank import PACKAGES, ROOT, Bank
from catalog import find
from cluster import deployment, lane, world
from cluster.lane import Figures, Lane
from cluster.world import Cluster, Partner, until
from local.partners.ecb import Ecb
from local.partners.server import serve_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

FIGURES: Figures = []
FAILED: list[str] = []
ORDER = (
    *("test_doorbell", "test_fixed_costs", "test_rights", "test_doctor", "test_policy", "test_calendar"),
    *("test_faults", "test_starts", "test_outages", "test_tidy"),
)
"""What is measured comes first, alone; rights and calendar while the lanes run; what is left over is seen last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: ORDER.index(item.path.stem))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        FAILED.append(report.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        terminalreporter.section("measured on this cluster")
        for line in world.pairs(FIGURES):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figure() -> Figures:
    return FIGURES


@pytest.fixture(scope="session")
def ecb() -> Ecb:
    return Ecb()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, ecb: Ecb) -> Iterator[Cluster]:
    """Build, deploy, hand over, collect logs, clean up. FEEDFALL_E2E_KEEP=1 leaves all as it is."""
    began, name = time.time(), f"e2e{time.time():.0f}"
    started = deployment.ready(print)
    tmp = tmp_path_factory.mktemp("image")
    deployment.images(tmp)
    built = time.time()
    bank = Bank(deployment.KAFKA, deployment.database(name), f"{name}.")
    for feed in find.names(PACKAGES):
        bank.create(feed, partitions=3, **{"max.message.bytes": str(world.LARGE)})
    with serve_simulator(ecb, (deployment.HOST, 0)) as url:
        manifest = deployment.rendered(tmp_path_factory.mktemp("manifests"), name)
        _apply(deployment.partner_service(urlsplit(url).port or 0), manifest)
        found = Cluster(bank, manifest, tmp_path_factory.mktemp("session"), ecb)
        try:
            _listening(found)
            FIGURES.append(("image built and handed over", f"{built - began:.0f} s"))
            FIGURES.append(("deployed and listening", f"{time.time() - built:.0f} s"))
            yield found
        finally:
            _leave(found, name, started=started)


def _leave(cluster: Cluster, name: str, *, started: bool) -> None:
    if FAILED:
        deployment.logs(Path(os.environ.get("FEEDFALL_E2E_LOGS", ROOT / ".local/e2e-logs")))
    cluster.close()
    if os.environ.get("FEEDFALL_E2E_KEEP"):
        return
    if started:
        subprocess.run([deployment.RIG, "down"], check=True)  # and all that is in it
    else:
        _remove(name)


@pytest.fixture(scope="session")
def publisher(cluster: Cluster) -> Partner:
    return Partner(cluster.bank, "measured")


@pytest.fixture(scope="session")
def often(cluster: Cluster) -> None:
    """A sweep every 20 s in place of a minute: what waits for one is as true, and is seen sooner."""
    patch = '{"spec": {"schedules": ["@every 20s"]}}'
    cluster.kubectl("patch", "cronworkflow", "feedfall-sweep", "--type=merge", "-p", patch)


@pytest.fixture(scope="session")
def together(
    cluster: Cluster, publisher: Partner, often: None, figure: Figures, request: pytest.FixtureRequest
) -> Mapping[str, Future[None]]:
    """The lanes of test_faults and test_starts, begun."""
    cluster.quiet()
    return lane.start({item.name for item in request.session.items}, cluster, publisher, figure)


@pytest.fixture
def calm(cluster: Cluster) -> None:
    cluster.quiet()


@pytest.fixture
def fx(cluster: Cluster, publisher: Partner) -> Lane:
    return Lane(cluster, publisher, "fx")


@pytest.fixture
def tick(cluster: Cluster, publisher: Partner) -> Lane:
    return Lane(cluster, publisher, "tick")


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
    with psycopg.connect(deployment.DATABASE, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
