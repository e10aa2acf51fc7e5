"""The last word of a session: what is over leaves nothing in the cluster, and everything in the ledger."""

from __future__ import annotations

import time

from cluster.lane import Figures
from cluster.world import Cluster, until

TTL = 60
"""Seconds; `kustomization.yaml` beside this has them in place of a day."""


def test_runs__that_succeeded_leave_no_litter(cluster: Cluster, figure: Figures) -> None:
    """Workflow and pods go at their time; the ledger keeps each run under its Workflow's name."""
    cluster.quiet()
    workflows, pods = cluster.workflows_seen, cluster.pods_seen
    over = [name for name, phase in workflows.phase.items() if phase == "Succeeded" and workflows.stage[name] != "bare"]
    began = time.time()
    until("they are gone", lambda: not set(over) - workflows.deleted, TTL + 120)
    waited = time.time() - began
    theirs = [pod for pod in pods.at if pods.stage.get(pod) and pod.rpartition("-")[0].rpartition("-")[0] in over]
    until("their pods are gone", lambda: not set(theirs) - pods.deleted, 60)
    booked = {name for (name,) in cluster.bank.rows("SELECT name FROM feedfall.run")}
    assert set(over) - booked == set()
    assert len(over) > 100
    assert len(theirs) >= len(over)
    left = cluster.items("workflows")
    figure.append(
        (
            f"{len(over)} runs and {len(theirs)} pods that succeeded",
            f"all gone a minute later ({waited:.0f} s waited), all in the ledger; {len(left)} others left",
        )
    )
