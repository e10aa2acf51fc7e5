"""Each account tries what it must not do, through the real API server, and is refused."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from bank import ROOT
from cluster.world import NAMESPACE, Cluster
from operate import controller

pytestmark = pytest.mark.usefixtures("together")  # the lanes run meanwhile

POD, SWEEP, SENSOR, SOURCE = "feedfall-pod", "feedfall-sweep", "feedfall-doorbell", "feedfall-listener"
EVERY = (POD, SWEEP, SENSOR, SOURCE, "default")
SUBMIT, DEPLOY = "feedfall-submit", "feedfall-deploy"
"""The accounts of deploy/ci/rights.yaml: a person's and CI's, not a pod's."""


def workflow(**spec: object) -> str:
    meta = {"generateName": "forbidden-"}
    return json.dumps({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": meta, "spec": spec})


def attempt(cluster: Cluster, account: str, *words: str, text: str | None = None) -> str:
    """The refusal of a real request, or nothing."""
    who = f"--as=system:serviceaccount:{NAMESPACE}:{account}"
    done = cluster.kubectl(*words, who, text=text, check=False)
    return "" if done.returncode == 0 else done.stderr


def is_allowed(cluster: Cluster, account: str, verb: str, kind: str) -> bool:
    """The answer for a kind, or KIND/SUBRESOURCE: kubectl takes a bare `pods/log` for a pod named log."""
    resource, _, part = kind.partition("/")
    words = ("auth", "can-i", verb, resource, *([f"--subresource={part}"] if part else []))
    who = f"--as=system:serviceaccount:{NAMESPACE}:{account}"
    return cluster.kubectl(*words, who, check=False).stdout.strip() == "yes"


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


@pytest.fixture(scope="module")
def ci(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", str(ROOT / "deploy/ci/rights.yaml"))


def test_ci_accounts__may_do_their_work_and_nothing_else(cluster: Cluster, ci: None) -> None:
    """Asked of the API server, verb by verb: what a token of each account is good for."""
    kinds = (
        "workflows",
        "workflowtemplates",
        "cronworkflows",
        "secrets",
        "configmaps",
        "pods",
        "pods/log",
        "rolebindings",
    )
    verbs = ("create", "get", "list", "watch", "patch", "update", "delete")
    granted = {
        account: {f"{verb} {kind}" for kind in kinds for verb in verbs if is_allowed(cluster, account, verb, kind)}
        for account in (SUBMIT, DEPLOY)
    }
    reads = {
        "get workflows",
        "list workflows",
        "watch workflows",
        "get pods",
        "list pods",
        "watch pods",
        "get pods/log",
    }
    assert granted[SUBMIT] == {"create workflows", "patch workflows", *reads}
    assert granted[DEPLOY] == {
        f"{verb} {kind}"
        for verb in ("create", "get", "list", "update")
        for kind in ("workflowtemplates", "cronworkflows")
    }


@pytest.mark.parametrize("account", [SUBMIT, DEPLOY])
@pytest.mark.parametrize(
    "words",
    [
        ("get", "secret", "feedfall"),
        ("get", "configmap", "feedfall"),
        ("delete", "workflows", "--all"),
        ("delete", "pods", "--all"),
        ("create", "token", "feedfall-pod"),
        ("-n", "argo", "get", "configmaps"),
        ("-n", "kube-system", "get", "secrets"),
        ("get", "validatingadmissionpolicies"),
    ],
)
def test_ci_account__is_refused(cluster: Cluster, ci: None, account: str, words: tuple[str, ...]) -> None:
    assert "orbidden" in attempt(cluster, account, *words)


@pytest.mark.parametrize(("account", "may"), [(SUBMIT, True), (DEPLOY, False)])
def test_ci_account__may_start_runs_only_where_that_is_its_work(
    cluster: Cluster, ci: None, account: str, *, may: bool
) -> None:
    text = workflow(workflowTemplateRef={"name": "fx-sub"})
    refusal = attempt(cluster, account, "create", "-f", "-", "--dry-run=server", text=text)
    assert (refusal == "") is may, refusal


def test_ci_account__reads_the_controllers_setting_where_it_was_given_that_right(cluster: Cluster, ci: None) -> None:
    file = str(ROOT / "deploy/ci/controller.yaml")
    words = ("-n", "argo", "get", "configmap", "workflow-controller-configmap")
    subprocess.run(["kubectl", "apply", "-f", file], check=True, capture_output=True, timeout=60)
    try:
        assert attempt(cluster, DEPLOY, *words) == ""
        assert "orbidden" in attempt(cluster, SUBMIT, *words)
    finally:
        subprocess.run(["kubectl", "delete", "-f", file], check=True, capture_output=True, timeout=60)


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
def test_deploy__sees_that_the_controller_is_strict(cluster: Cluster) -> None:
    assert controller.check().startswith(f"templateReferencing is Strict ({controller.CONFIG}, ")


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
