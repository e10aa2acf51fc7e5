"""Each account tries what it must not do, through the real API server, and is refused."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from bank import ROOT
from cluster.world import NAMESPACE, Cluster

pytestmark = pytest.mark.usefixtures("together")  # the lanes run meanwhile

POD, SWEEP, SENSOR, SOURCE = "feedfall-pod", "feedfall-sweep", "feedfall-doorbell", "feedfall-listener"
EVERY = (POD, SWEEP, SENSOR, SOURCE, "default")


def workflow(**spec: object) -> str:
    meta = {"generateName": "forbidden-"}
    return json.dumps({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": meta, "spec": spec})


def attempt(cluster: Cluster, account: str, *words: str, text: str | None = None) -> str:
    """The refusal of a real request, or nothing."""
    who = f"--as=system:serviceaccount:{NAMESPACE}:{account}"
    done = cluster.kubectl(*words, who, text=text, check=False)
    return "" if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("account", EVERY)
@pytest.mark.parametrize(
    "words",
    [
        ("get", "secrets"),
        ("get", "secret", "feedfall"),  # a pod is given what it mounts, it reads none
        ("get", "configmaps"),
        ("get", "pods"),
        ("get", "workflows"),
        ("get", "workflowtemplates"),
        ("delete", "workflows", "--all"),
        ("delete", "pods", "--all"),
        ("get", "nodes"),
        ("-n", "kube-system", "get", "secrets"),
        ("create", "token", "default"),
        ("auth", "can-i", "patch", "workflowtemplates"),
    ],
)
def test_account__is_refused(cluster: Cluster, account: str, words: tuple[str, ...]) -> None:
    done = cluster.kubectl(*words, f"--as=system:serviceaccount:{NAMESPACE}:{account}", check=False)
    assert done.returncode != 0
    assert "orbidden" in done.stderr or done.stdout.strip() == "no"


@pytest.mark.parametrize(("account", "may"), [(POD, False), (SOURCE, False), (SENSOR, True), (SWEEP, True)])
def test_account__may_start_runs_only_where_that_is_its_work(cluster: Cluster, account: str, may: bool) -> None:  # noqa: FBT001 -- a column of the table
    text = workflow(workflowTemplateRef={"name": "fx-sub"})
    refusal = attempt(cluster, account, "create", "-f", "-", "--dry-run=server", text=text)
    assert (refusal == "") is may, refusal


@pytest.fixture
def strict(cluster: Cluster) -> None:
    """Skip where the controller says that it is not; where its settings cannot be read, the refusals must tell."""
    words = ("-n", "argo", "get", "configmap", "workflow-controller-configmap", "-o", "jsonpath={.data}")
    read = cluster.kubectl(*words, check=False)
    if read.returncode == 0 and not re.search(r"templateReferencing\W+Strict", read.stdout):
        pytest.skip(
            "this controller runs without `templateReferencing: Strict`: who may create Workflows may run anything"
        )


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(
    ("spec", "refusal"),
    [
        (  # a template of its own: any image, any command
            {"entrypoint": "own", "templates": [{"name": "own", "container": {"image": "own"}}]},
            "must use workflowTemplateRef",
        ),
        (  # one of ours, as somebody else
            {"workflowTemplateRef": {"name": "fx-sub"}, "serviceAccountName": SWEEP},
            "[ServiceAccountName] are not permitted",
        ),
        (  # one of ours, with another container
            {
                "workflowTemplateRef": {"name": "fx-sub"},
                "podSpecPatch": '{"containers": [{"name": "main", "image": "own"}]}',
            },
            "[PodSpecPatch] are not permitted",
        ),
    ],
)
def test_workflow__that_is_no_template_of_ours_is_refused(cluster: Cluster, spec: dict, refusal: str) -> None:
    """By `templateReferencing: Strict`: who may create Workflows, as the Sensor may, may not run what he likes."""
    who = f"--as=system:serviceaccount:{NAMESPACE}:{SENSOR}"
    name = (
        cluster.kubectl("create", "-f", "-", "-o", "name", who, text=workflow(**spec)).stdout.strip().partition("/")[2]
    )
    assert cluster.finished(name) == "Error"
    assert refusal in cluster.get("workflow", name)["status"]["message"]
    assert cluster.pods_seen.names(f"{name}-") == []


def test_production__is_accepted_by_the_api(cluster: Cluster) -> None:
    """Its NetworkPolicies, disks, TLS and SASL are validated by a real API server, and not applied."""
    overlay = ROOT / "deploy/overlays/production"
    rendered = subprocess.run(["kubectl", "kustomize", overlay], capture_output=True, text=True, check=True).stdout
    done = cluster.kubectl("apply", "--dry-run=server", "-f", "-", text=rendered)
    accepted = [line for line in done.stdout.splitlines() if line.endswith("(server dry run)")]
    assert len(accepted) == rendered.count("\nkind: ")
    wrong = rendered.replace("policyTypes:", "policyKinds:", 1)
    assert "policyKinds" in cluster.kubectl("apply", "--dry-run=server", "-f", "-", text=wrong, check=False).stderr


def test_pod__as_root_is_refused_by_the_namespace(cluster: Cluster) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root"}}
    spec = {"containers": [{"name": "root", "image": "ghcr.io/feedfall/feedfall:dev"}]}
    done = cluster.kubectl("create", "-f", "-", text=json.dumps({**pod, "spec": spec}), check=False)
    assert "violates PodSecurity" in done.stderr


def test_pods__run_as_nobody_with_a_read_only_root(cluster: Cluster) -> None:
    name = cluster.submit("fx-sub")
    cluster.finished(name)
    (pod,) = cluster.items("pods", f"workflows.argoproj.io/workflow={name}")
    for container in [*pod["spec"]["containers"], *pod["spec"]["initContainers"]]:
        security = container["securityContext"]
        assert security["capabilities"]["drop"] == ["ALL"]
        assert not security["allowPrivilegeEscalation"]
        if container["name"] == "main":
            assert security["readOnlyRootFilesystem"]
    assert pod["spec"]["securityContext"]["runAsUser"] == 10001
