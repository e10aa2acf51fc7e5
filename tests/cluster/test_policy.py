"""deploy/policy on a real API server and a real controller, in a namespace of its own beside the others' work.

What it refuses is asked as a server-side dry run: admission decides, and nothing is stored. The same objects as in
`tests/manifests/test_policy.py`, where a CEL library stands in for the API server.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cluster.world import Cluster, until
from manifests.admission import BAD, BAD_RUNS, FOLDER, Document, change, run_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("together")  # the lanes run meanwhile

NAMESPACE = "feedfall-policy"
NEEDED = ("ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Secret", "WorkflowTemplate")
SCRATCH = "policy-try"
IDLE = "holiday"
"""A feed that no lane uses: a run beside a lane's own would take its lease."""
RUN = f"{IDLE}-sub-1"


def kubectl(*words: str, text: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    command = ["kubectl", "-n", NAMESPACE, "--request-timeout=30s", *words]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
    return done


def refusal(document: Document) -> str:
    """What the API server says against creating this; nothing where it would."""
    done = kubectl("create", "-f", "-", "--dry-run=server", text=json.dumps(document), check=False)
    return "" if done.returncode == 0 else done.stderr


def own_policy() -> list[Document]:
    """deploy/policy as it is, but it holds in this namespace, under a name of its own."""
    (allowed, policy, binding) = (yaml.safe_load((FOLDER / f"{name}.yaml").read_text()) for name in FILES)
    allowed["metadata"]["namespace"] = NAMESPACE
    policy["metadata"]["name"] = binding["metadata"]["name"] = binding["spec"]["policyName"] = NAMESPACE
    (expression,) = binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
    expression["values"] = [NAMESPACE]
    return [allowed, policy, binding]


FILES = ("allowed", "policy", "binding")


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[Cluster]:
    """The namespace, the policy that holds in it, and then what a run needs: all of it is let through."""
    subprocess.run(["kubectl", "create", "namespace", NAMESPACE], check=True, capture_output=True, timeout=60)
    try:
        kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": own_policy()}))
        bad = change(template(cluster), "spec/onExit", "own")
        until("the policy is in force", lambda: "not allowed: onExit" in refusal(bad), 60)
        documents = [_in_namespace(each) for each in cluster.documents() if each["kind"] in NEEDED]
        kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
        yield cluster
    finally:
        for kind in ("binding", ""):
            words = ["kubectl", "delete", f"validatingadmissionpolicy{kind}", NAMESPACE, "--ignore-not-found"]
            subprocess.run(words, check=True, capture_output=True, timeout=60)
        words = ["kubectl", "delete", "namespace", NAMESPACE, "--timeout=120s"]
        subprocess.run(words, check=True, capture_output=True, timeout=150)


def _in_namespace(document: Document) -> Document:
    """The same object in this namespace."""
    moved = change(document, "metadata/namespace", NAMESPACE)
    for subject in moved.get("subjects", []):
        subject["namespace"] = NAMESPACE
    return moved


def template(cluster: Cluster) -> Document:
    (found,) = [each for each in cluster.documents("WorkflowTemplate") if each["metadata"]["name"] == "fx-sub"]
    document: Document = change(_in_namespace(found), "metadata/name", SCRATCH)
    return document


def test_policy__compiles_without_a_warning(namespace: Cluster) -> None:
    """The API server checks the types of each expression, and writes what it doubts into the status."""

    def status() -> Any:  # noqa: ANN401 -- as the API has it
        words = ("get", "validatingadmissionpolicy", NAMESPACE, "-o", "json")
        return json.loads(kubectl(*words).stdout).get("status")

    found = until("the types were checked", status, 60)
    assert found.get("typeChecking", {}).get("expressionWarnings", []) == []


def test_policy__lets_through_every_deployed_template_and_cron(namespace: Cluster) -> None:
    for kind in ("WorkflowTemplate", "CronWorkflow"):
        for each in namespace.documents(kind):
            document = change(_in_namespace(each), "metadata/name", f"{each['metadata']['name']}-again")
            assert refusal(document) == "", each["metadata"]["name"]


@pytest.mark.parametrize(("path", "value", "words"), BAD)
def test_policy__refuses_a_template(namespace: Cluster, path: str, value: object, words: str) -> None:
    said = refusal(change(template(namespace), path, value))
    assert (f"ValidatingAdmissionPolicy '{NAMESPACE}'" in said, words in said) == (True, True), said


@pytest.mark.parametrize(("path", "value", "words"), BAD_RUNS)
def test_policy__refuses_a_run(namespace: Cluster, path: str, value: object, words: str) -> None:
    assert words in refusal(change(run_of(f"{IDLE}-sub"), f"spec/{path}", value))


def test_policy__lets_a_run_come_to_its_end(namespace: Cluster) -> None:
    """The controller stores the merged spec, writes the status and ends the run, all under the policy."""
    kubectl("create", "-f", "-", text=json.dumps(run_of(f"{IDLE}-sub")))

    def run() -> Document:
        found: Document = json.loads(kubectl("get", "workflow", RUN, "-o", "json").stdout)
        return found

    def phase() -> str:
        return str(run().get("status", {}).get("phase", ""))

    until("the controller has stored the spec", lambda: run().get("status", {}).get("storedWorkflowTemplateSpec"), 60)
    patch = '{"status": {"storedWorkflowTemplateSpec": {"serviceAccountName": "default"}}}'
    said = kubectl("patch", "workflow", RUN, "--type=merge", "-p", patch, "--dry-run=server", check=False).stderr
    assert "service account that is not on the list" in said
    ended = until("the run ends", lambda: phase() if phase() in ("Succeeded", "Failed", "Error") else "", 180)
    assert ended == "Succeeded", run()["status"].get("message")


def test_policy__lets_a_person_stop_a_run_and_take_it_away(namespace: Cluster) -> None:
    """Stopped before it has begun: what `feedfall kill` does by Argo's server, as the same patch."""
    document = change(run_of(f"{IDLE}-sub"), "metadata/name", "to-stop")
    kubectl("create", "-f", "-", text=json.dumps(document))
    kubectl("patch", "workflow", "to-stop", "--type=merge", "-p", '{"spec": {"shutdown": "Stop"}}')

    def phase() -> str:
        return kubectl("get", "workflow", "to-stop", "-o", "jsonpath={.status.phase}").stdout

    until("the stopped run ends", lambda: phase() in ("Succeeded", "Failed", "Error"), 180)
    kubectl("delete", "workflow", "to-stop", "--ignore-not-found", "--timeout=60s")


def test_policy__refuses_all_where_its_lists_are_missing(namespace: Cluster) -> None:
    """Last: without ConfigMap feedfall-policy nothing may be written, rather than everything."""
    kubectl("delete", "configmap", "feedfall-policy")
    good = change(template(namespace), "metadata/name", "no-lists")
    until("the lists are gone", lambda: "ValidatingAdmissionPolicy" in refusal(good), 60)
