"""What all feeds share fails: the bell's pods, the tick, the controller. One by one; the sweep comes every 20 s."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cluster.lane import Figures, Lane
from cluster.world import Cluster, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("often")


@pytest.mark.parametrize(
    "label",
    ["sensor-name=feedfall", "eventsource-name=feedfall", "statefulset.kubernetes.io/pod-name=eventbus-feedfall-js-0"],
)
def test_doorbell_pod__killed_during_a_burst(tick: Lane, figure: Figures, label: str) -> None:
    before, first, began = tick.count(), 100_000 + 1000 * len(label), time.time()
    for number in range(20):
        tick.send(*range(first + 25 * number, first + 25 * number + 25))
        if number == 5:
            tick.cluster.kubectl("delete", "pod", "-l", label, "--grace-period=1", "--wait=false")
        time.sleep(0.2)
    until("every row", lambda: tick.count() == before + 500, 240)
    name = label.partition("=")[0].partition("-")[0] if "pod-name" not in label else "one JetStream"
    figure.append((f"{name} pod killed in a burst of 500", f"every row after {time.time() - began:.0f} s"))
    tick.cluster.quiet()
    assert tick.cluster.bank.broken("tick") == []


def test_tick__that_stops_costs_time_only(fx: Lane, figure: Figures) -> None:
    """Without its tick the Sensor starts one more run, for the tick that it kept; then the sweep is alone."""
    with changed(fx.cluster, "eventsource", {"calendar": None}):
        began = time.time()
        for number in (37_000, 37_001, 37_003):  # a sweep may load the first, and leave the kept tick to the second
            fx.send(number)
            until("the row", lambda number=number: fx.loaded(number), 240)
        assert "epoch" in str(fx.loaded(37_003)), "only the sweep can have started it"
        figure.append(
            ("the tick stops", f"three messages loaded after {time.time() - began:.0f} s, the last by the sweep")
        )
    fx.send(37_002)
    until("the bell rings again, or the sweep", lambda: fx.loaded(37_002), 240)
    assert fx.cluster.bank.broken("fx") == []


def test_sensor__that_is_gone_costs_time_only(fx: Lane, figure: Figures) -> None:
    with without(fx.cluster, "sensor"):
        began = time.time()
        fx.send(37_100)
        until("the row", lambda: fx.loaded(37_100), 240)
        figure.append(("the Sensor is deleted altogether", f"the sweep has loaded after {time.time() - began:.0f} s"))
    assert fx.cluster.bank.broken("fx") == []


def test_controller__restarted_in_mid_run(fx: Lane, figure: Figures) -> None:
    with fx.stuck():
        fx.send(37_200)
        name = fx.in_mid_chunk()
        fx.cluster.kubectl("-n", "argo", "delete", "pod", "-l", "app=workflow-controller", "--grace-period=1")
    fx.cluster.kubectl("-n", "argo", "rollout", "status", "deployment/workflow-controller", "--timeout=120s")
    assert fx.cluster.finished(name, 180) == "Succeeded"
    assert fx.loaded(37_200)
    figure.append(("workflow controller killed in mid-run", "the run succeeds"))


@contextmanager
def changed(cluster: Cluster, kind: str, spec: dict[str, None]) -> Iterator[None]:
    """Take a part out of an object of the doorbell, and put it back."""
    kept = {part: cluster.get(kind, "feedfall")["spec"][part] for part in spec}
    _patch(cluster, kind, spec)
    try:
        yield
    finally:
        _patch(cluster, kind, kept)


def _patch(cluster: Cluster, kind: str, spec: object) -> None:
    pods = {each["metadata"]["name"] for each in cluster.items("pods", f"{kind}-name=feedfall")}
    cluster.kubectl("patch", kind, "feedfall", "--type=merge", "-p", json.dumps({"spec": spec}))

    def replaced() -> bool:
        found = cluster.items("pods", f"{kind}-name=feedfall")
        ready = [each for each in found if any(c["ready"] for c in each["status"].get("containerStatuses", []))]
        return bool(ready) and not pods & {each["metadata"]["name"] for each in found}

    until(f"a new {kind} pod", replaced, 120)


@contextmanager
def without(cluster: Cluster, kind: str) -> Iterator[None]:
    found = cluster.get(kind, "feedfall")
    cluster.kubectl("delete", kind, "feedfall", "--wait=true")
    until(f"no {kind} pod", lambda: not cluster.items("pods", f"{kind}-name=feedfall"), 90)
    try:
        yield
    finally:
        kept = {key: found["metadata"][key] for key in ("name", "namespace", "labels")}
        cluster.kubectl("apply", "-f", "-", text=json.dumps({**found, "metadata": kept, "status": {}}))
        cluster.kubectl("wait", kind, "feedfall", "--for=condition=Deployed", "--timeout=120s")
