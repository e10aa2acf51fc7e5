"""deploy/policy lets through all that feedfall renders, and refuses each way to run or to read something else."""

import copy
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from catalog import find
from manifests import admission
from manifests.admission import BAD, BAD_RUNS, Document, Policy, change, run_of
from workflows import objects, render
from workflows.pod import IMAGE


@pytest.fixture(scope="module")
def policy() -> Policy:
    return admission.load()


@pytest.fixture(scope="module")
def rendered() -> dict[str, Document]:
    """What workflows/ renders of every feed here, the tests' own included, by kind and name."""
    documents = [each.to_dict() for each in objects(find.every(["feeds", "sample_feeds"]))]
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in documents}


@pytest.fixture(scope="module")
def sub(rendered: dict[str, Document]) -> Document:
    return rendered["WorkflowTemplate/fx-sub"]


def test_policy__lets_through_every_rendered_object(policy: Policy, rendered: dict[str, Document]) -> None:
    assert len(rendered) > 20
    assert {name: found for name, each in rendered.items() if (found := policy.refusals(each))} == {}


@pytest.mark.parametrize("overlay", ["local-cluster", "production"])
def test_policy__lets_through_what_the_overlays_make(policy: Policy, overlay: str) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no `kubectl` on the PATH")
    command = [kubectl, "kustomize", str(render.ROOT / "deploy/overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    documents = [
        each for each in yaml.safe_load_all(done.stdout) if each["kind"] in ("WorkflowTemplate", "CronWorkflow")
    ]
    assert len(documents) > 5
    assert {each["metadata"]["name"]: found for each in documents if (found := policy.refusals(each))} == {}


def test_lists__name_what_the_manifests_use_and_nothing_else(policy: Policy, rendered: dict[str, Document]) -> None:
    """Structure, without CEL: an entry that nothing uses is a hole, one that is missing an outage."""
    allowed = {name: set(lines.splitlines()) for name, lines in policy.allowed["data"].items()}
    used = {name: set(values_of(list(rendered.values()), key)) for name, key in KEYS.items()}
    from_overlay = {"secrets": {"feedfall-ca"}, "configMaps": {"feedfall-calendars"}}
    assert allowed["images"] == {IMAGE.rpartition(":")[0]}
    assert allowed["accounts"] == used["accounts"]
    assert allowed["podSpecPatches"] == used["podSpecPatches"]
    assert allowed["secrets"] - from_overlay["secrets"] == used["secrets"]
    assert allowed["configMaps"] - from_overlay["configMaps"] == used["configMaps"]
    assert allowed["values"] == {
        each["value"] for each in values_of(list(rendered.values()), "env", whole=True) if "value" in each
    }


KEYS = {
    "accounts": "serviceAccountName",
    "podSpecPatches": "podSpecPatch",
    "secrets": "secretKeyRef|secretRef",
    "configMaps": "configMapKeyRef|configMapRef",
}


def values_of(part: Any, key: str, *, whole: bool = False) -> list[Any]:  # noqa: ANN401 -- any part of a document
    """Every value of a key, at any depth; of a reference its name, of a list (`whole`) its entries."""
    values: list[Any] = []
    for name, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        if isinstance(name, str) and re.fullmatch(key, name):
            values += value if whole else [value["name"] if isinstance(value, dict) else value]
        else:
            values += values_of(value, key, whole=whole)
    return values


@pytest.mark.parametrize(("path", "value", "refusal"), BAD)
def test_policy__refuses_a_template(policy: Policy, sub: Document, path: str, value: object, refusal: str) -> None:
    assert any(refusal in each for each in policy.refusals(change(sub, path, value)))


@pytest.mark.parametrize(("path", "value", "refusal"), BAD_RUNS)
@pytest.mark.parametrize("kind", ["Workflow", "CronWorkflow"])
def test_policy__refuses_a_run(
    policy: Policy, rendered: dict[str, Document], kind: str, path: str, value: object, refusal: str
) -> None:
    good, spec = (
        (run_of("fx-sub"), "spec") if kind == "Workflow" else (rendered["CronWorkflow/fx-pub"], "spec/workflowSpec")
    )
    assert policy.refusals(good) == []
    assert any(refusal in each for each in policy.refusals(change(good, f"{spec}/{path}", value)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{admission.MAIN}/image", "ghcr.io/feedfall/feedfall"),
        (f"{admission.MAIN}/image", "ghcr.io/feedfall/feedfall:1.4.0"),
        (f"{admission.MAIN}/image", f"ghcr.io/feedfall/feedfall:1.4.0@sha256:{'0a' * 32}"),
        (f"{admission.MAIN}/image", f"ghcr.io/feedfall/feedfall@sha256:{'0a' * 32}"),
        (f"{admission.MAIN}/resources", {"limits": {"memory": "1Gi"}}),
        (f"{admission.MAIN}/name", ""),  # Argo Server writes it
        (f"{admission.STEP}/inputs", {}),  # likewise
        (f"{admission.STEP}/metadata", {}),
        ("spec/nodeSelector", {"zone": "inner"}),
        ("spec/imagePullSecrets", [{"name": "feedfall"}]),
        ("spec/arguments", {}),
    ],
)
def test_policy__lets_a_bank_choose(policy: Policy, sub: Document, path: str, value: object) -> None:
    assert policy.refusals(change(sub, path, value)) == []


def test_policy__lets_the_controller_store_the_spec_and_end_the_run(policy: Policy, sub: Document) -> None:
    """Argo merges template and Workflow into status.storedWorkflowTemplateSpec (operator.go, setStoredWfSpec)."""
    new = run_of("fx-sub")
    template = sub["spec"]["templates"][0] | {"inputs": {}, "outputs": {}, "metadata": sub["spec"]["podMetadata"]}
    stored = {
        "storedWorkflowTemplateSpec": sub["spec"] | new["spec"],
        "storedTemplates": {"namespaced/fx-sub/sub": template},
    }
    running = change(new, "status", {"phase": "Running", **stored})
    assert policy.refusals(running, new) == []
    assert policy.refusals(change(running, "status/phase", "Succeeded"), running) == []
    stopped = change(running, "spec/shutdown", "Stop")
    assert policy.refusals(stopped, running) == []
    assert policy.refusals(change(stopped, "status/storedWorkflowTemplateSpec/shutdown", "Stop"), stopped) == []


@pytest.mark.parametrize(
    ("path", "value", "refusal"),
    [
        ("storedWorkflowTemplateSpec/templates/0/container/image", "own", "image that is not on the list"),
        ("storedWorkflowTemplateSpec/templates/0/container/command", ["sh"], "A container's command"),
        ("storedWorkflowTemplateSpec/serviceAccountName", "default", "service account that is not on the list"),
        ("storedWorkflowTemplateSpec/hooks", {"exit": {"template": "own"}}, "not allowed: hooks"),
        ("storedTemplates", {"a": {"name": "own", "container": {"image": "own"}}}, "image that is not on the list"),
    ],
)
def test_policy__refuses_a_changed_status_that_would_run_something_else(
    policy: Policy, sub: Document, path: str, value: object, refusal: str
) -> None:
    """An account that may patch Workflows, as a stop does, could else choose what the controller runs."""
    new = run_of("fx-sub")
    running = change(new, "status", {"storedWorkflowTemplateSpec": copy.deepcopy(sub["spec"] | new["spec"])})
    refusals = policy.refusals(change(running, f"status/{path}", value), running)
    assert any(refusal in each for each in refusals)


def test_policy__lets_an_older_object_end(policy: Policy, sub: Document) -> None:
    """What was there before the policy: its status and finalizers change, what it runs does not."""
    old = change(run_of("fx-sub"), "spec/templates", [{"name": "own", "container": {"image": "own"}}])
    old = change(old, "status", {"storedWorkflowTemplateSpec": change(sub, f"{admission.MAIN}/image", "own")["spec"]})
    assert policy.refusals(change(old, "metadata/finalizers", []), old) == []
    assert policy.refusals(old) != []


def test_policy__reads_its_lists_from_the_namespaces_own_configmap() -> None:
    (binding,) = yaml.safe_load_all((admission.FOLDER / "binding.yaml").read_text())
    (policy,) = yaml.safe_load_all((admission.FOLDER / "policy.yaml").read_text())
    allowed = admission.load().allowed
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    assert binding["spec"]["paramRef"] == {"name": allowed["metadata"]["name"], "parameterNotFoundAction": "Deny"}
    assert (binding["spec"]["validationActions"], policy["spec"]["failurePolicy"]) == (["Deny"], "Fail")
    (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]
    assert set(rule["resources"]) == {"workflowtemplates", "cronworkflows", "workflows"}
    assert set(rule["operations"]) == {"CREATE", "UPDATE"}


def test_policy__is_a_folder_that_kustomize_builds() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no `kubectl` on the PATH")
    done = subprocess.run([kubectl, "kustomize", str(admission.FOLDER)], capture_output=True, text=True, check=True)
    found = list(yaml.safe_load_all(done.stdout))
    kinds = ["ConfigMap", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
    assert [each["kind"] for each in found] == kinds
    assert [each["metadata"].get("namespace") for each in found] == ["feedfall", None, None]
