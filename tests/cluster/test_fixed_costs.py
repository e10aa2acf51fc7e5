"""What a doorbell and a sweep cost at rest, beside one consumer that waits for ever."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from cluster.lane import Figures
from cluster.world import NAMESPACE, Cluster, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("calm")

DAEMON = """
from confluent_kafka import Consumer
consumer = Consumer({"bootstrap.servers": "kafka.rig.svc:9092", "group.id": "daemon"})
consumer.subscribe(["%s"])
while True:
    consumer.poll(1.0)
"""
WINDOW, FRESH = 20, 15
"""Seconds at rest, and until the kubelet has surely looked at a container again."""
SWEEPS = 8
DAY = 86_400
OWNERS = {
    "eventbus": "EventBus",
    "feedfall-eventsource": "EventSource",
    "feedfall-sensor": "Sensor",
    "daemon": "a daemon",
}


@pytest.fixture
def daemon(cluster: Cluster) -> Iterator[None]:
    """What feedfall is instead of: one consumer that waits for ever, in the same image."""
    spec = cluster.get("workflowtemplate", "tick-sub")["spec"]["templates"][0]
    container = {key: spec["container"][key] for key in ("image", "securityContext", "resources")}
    command = ["python", "-c", DAEMON % cluster.bank.topic("tick")]
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "daemon"}}
    body["spec"] = {"securityContext": spec["securityContext"], "terminationGracePeriodSeconds": 0}
    body["spec"]["containers"] = [{"name": "main", "command": command, **container}]
    cluster.kubectl("apply", "-f", "-", text=json.dumps(body))
    cluster.kubectl("wait", "pod", "daemon", "--for=condition=Ready", "--timeout=60s")
    yield
    cluster.kubectl("delete", "pod", "daemon", "--wait=false")


def test_fixed_costs__of_a_doorbell_and_a_sweep_beside_a_daemons(
    cluster: Cluster, daemon: None, figure: Figures
) -> None:
    cluster.kubectl("patch", "cronworkflow", "feedfall-sweep", "--type=merge", "-p", '{"spec": {"suspend": true}}')
    until("no sweep", lambda: not cluster.workflows_seen.running(), 90)
    time.sleep(FRESH)
    first = usage(cluster)
    time.sleep(WINDOW)
    second = usage(cluster)
    sweeps = [cluster.submit("feedfall-sweep") for _ in range(SWEEPS)]
    assert {cluster.finished(name) for name in sweeps} == {"Succeeded"}
    time.sleep(FRESH)
    third = usage(cluster)
    cluster.kubectl("patch", "cronworkflow", "feedfall-sweep", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    for name, owner in OWNERS.items():
        spent = (second[name][1] - first[name][1]) / (second[name][0] - first[name][0]) * DAY
        figure.append((f"{owner} at rest", f"{second[name][2]:.0f} MiB, {spent:.0f} CPU-seconds a day"))
    rest = (second["pods"][1] - first["pods"][1]) / (second["pods"][0] - first["pods"][0])
    spent = third["pods"][1] - second["pods"][1] - rest * (third["pods"][0] - second["pods"][0])
    figure.append(
        (
            f"a sweep, its pod's three containers, {SWEEPS} runs",
            f"{spent / SWEEPS:.2f} CPU-s, {spent / SWEEPS * 1440:.0f} a day",
        )
    )
    assert 0 < sum(second[name][2] for name in OWNERS) < 1024


def usage(cluster: Cluster) -> dict[str, tuple[float, float, float]]:
    """By pod's owner, and of all pods together, those that are gone included: the time, CPU-seconds, MiB in use."""
    node = cluster.items("nodes")[0]["metadata"]["name"]
    stats = json.loads(cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary").stdout)
    (every,) = [each for each in stats["node"]["systemContainers"] if each["name"] == "pods"]
    found = {"pods": measured([every])}
    for name in OWNERS:
        own = [
            container
            for pod in stats["pods"]
            if pod["podRef"]["namespace"] == NAMESPACE and pod["podRef"]["name"].startswith(name)
            for container in pod["containers"]
        ]
        found[name] = measured(own)
    return found


def measured(containers: list[dict[str, Any]]) -> tuple[float, float, float]:
    times = [datetime.fromisoformat(each["cpu"]["time"]).timestamp() for each in containers]
    cpu = sum(each["cpu"]["usageCoreNanoSeconds"] for each in containers) / 1e9
    memory = sum(each["memory"]["workingSetBytes"] for each in containers) / 2**20
    return sum(times) / len(times), cpu, memory
