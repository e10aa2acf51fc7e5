"""The last word of a session: what is over leaves nothing in the cluster, and everything in the ledger."""

from __future__ import annotations

import time

import pytest

from cluster.lane import Figures
from cluster.world import Cluster, until

TTL = 60
"""Seconds; `kustomization.yaml` beside this has them in place of a day."""


def test_runs__that_succeeded_leave_no_litter(
    cluster: Cluster, figure: Figures, request: pytest.FixtureRequest
) -> None:
    """Workflow and pods go at their time; the ledger keeps each run under its Workflow's name."""
    workflows, pods, now = cluster.workflows_seen, cluster.pods_seen, time.time()
    over = {name for name, at in workflows.succeeded.items() if at < now - TTL and workflows.stage[name] != "bare"}
    # What the watch missed while the API server was away is looked up.
    until("they are gone", lambda: not (over - workflows.deleted) & present(cluster, "workflows"), 400, 2.0)
    theirs = {pod for pod in pods.at if {pod, pod.rpartition("-")[0].rpartition("-")[0]} & over}
    until("their pods are gone", lambda: not (theirs - pods.deleted) & present(cluster, "pods"), 200, 2.0)
    booked = {name for (name,) in cluster.bank.rows("SELECT name FROM feedfall.run")}
    assert over <= booked
    assert len(over) > (100 if len(request.session.items) > 100 else 0)  # few where only what failed is played again
    assert len(theirs) >= len(over)
    figure.append((f"{len(over)} runs and {len(theirs)} pods that succeeded", "gone after a minute, all in the ledger"))


def present(cluster: Cluster, kind: str) -> set[str]:
    """The names that are there now."""
    return {name.rpartition("/")[2] for name in cluster.kubectl("get", kind, "-o", "name").stdout.split()}
