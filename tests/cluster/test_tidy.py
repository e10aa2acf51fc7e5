"""The last word of a session: what is over leaves nothing in the cluster, and everything in the ledger."""

from __future__ import annotations

import time

from cluster.lane import Figures
from cluster.world import Cluster, until

TTL = 60
"""Seconds; `kustomization.yaml` beside this has them in place of a day."""


def test_runs__that_succeeded_leave_no_litter(cluster: Cluster, figure: Figures) -> None:
    """Workflow and pods go at their time; the ledger keeps each run under its Workflow's name."""
    workflows, pods, now = cluster.workflows_seen, cluster.pods_seen, time.time()
    over = {name for name, at in workflows.succeeded.items() if at < now - TTL and workflows.stage[name] != "bare"}
    until("they are gone", lambda: over <= workflows.deleted, 120)
    theirs = {pod for pod in pods.at if {pod, pod.rpartition("-")[0].rpartition("-")[0]} & over}
    until("their pods are gone", lambda: theirs <= pods.deleted, 60)
    booked = {name for (name,) in cluster.bank.rows("SELECT name FROM feedfall.run")}
    assert over <= booked
    assert len(over) > 100
    assert len(theirs) >= len(over)
    figure.append((f"{len(over)} runs and {len(theirs)} pods that succeeded", "gone after a minute, all in the ledger"))
