"""`feedfall doctor` against a real Argo Server and a real controller, with a CI job's token."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bank import ROOT

if TYPE_CHECKING:
    from cluster.world import Cluster

pytestmark = pytest.mark.usefixtures("together")  # the lanes run meanwhile


def doctor(cluster: Cluster, **environ: str) -> dict[str, list[tuple[str, str]]]:
    """What was looked at → its lines, of the feed fx and what it needs."""
    command = [sys.executable, "-m", "cli", "doctor", "fx", "--json"]
    env = cluster.bank.environment(**environ)
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    found: dict[str, list[tuple[str, str]]] = {}
    for each in json.loads(done.stdout):
        found.setdefault(each["subject"], []).append((each["state"], each["words"]))
    return found


def test_doctor__reads_the_real_server_and_controller(cluster: Cluster) -> None:
    with cluster.as_ci("feedfall-submit") as ci:
        found = doctor(cluster, **ci)
    assert found["Argo"] == [("ok", f"{ci['ARGO_SERVER']} lists the Workflows of feedfall")]
    ((state, words),) = found["Argo's controller"]
    assert (state, words.split(" (")[0]) == ("ok", "templateReferencing is Strict")
    assert [state for state, _ in found["clock of Argo"]] == ["ok"], found["clock of Argo"]
    assert [state for state, _ in found["Kafka"]] == ["ok"]


def test_doctor__says_what_a_wrong_token_lacks(cluster: Cluster) -> None:
    with cluster.as_ci("feedfall-submit") as ci:
        found = doctor(cluster, **{**ci, "ARGO_TOKEN": "not-a-token"})
    ((state, words),) = found["Argo"]
    assert state == "to do"
    assert "ARGO_TOKEN" in words or "401" in words, words
    assert [state for state, _ in found["Kafka"]] == ["ok"]  # one fault hides no other
