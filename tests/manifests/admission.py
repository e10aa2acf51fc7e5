"""deploy/policy, evaluated here: the expressions of a ValidatingAdmissionPolicy, over an object and a ConfigMap.

A CEL library stands in for the API server's. `tests/cluster/test_policy.py` sends the same objects, `BAD` and all, to a
real one.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cel import Context, evaluate
from cel.stdlib import add_stdlib_to_context

FOLDER = Path(__file__).parents[2] / "deploy/policy"

Document = dict[str, Any]


@dataclass(frozen=True)
class Policy:
    """A policy and its lists."""

    spec: Document
    allowed: Document

    def refusals(self, new: Document, old: Document | None = None) -> list[str]:
        """The messages of the validations that refuse an object; nothing where it is accepted."""
        context = self._context(new, old)
        if not all(evaluate(each["expression"], context) for each in self.spec["matchConditions"]):
            return []
        names: Document = {}
        for each in self.spec["variables"]:
            names[each["name"]] = evaluate(each["expression"], context)
            context.add_variable("variables", names)
        refused = [each for each in self.spec["validations"] if evaluate(each["expression"], context) is not True]
        return [
            str(evaluate(each["messageExpression"], context)) if "messageExpression" in each else each["message"]
            for each in refused
        ]

    def _context(self, new: Document, old: Document | None) -> Context:
        request = {"operation": "UPDATE" if old else "CREATE"}
        context = Context({"object": new, "oldObject": old, "request": request, "params": self.allowed})
        add_stdlib_to_context(context)
        return context


def load() -> Policy:
    spec, allowed = (yaml.safe_load((FOLDER / f"{name}.yaml").read_text()) for name in ("policy", "allowed"))
    return Policy(spec["spec"], allowed)


def change(document: Document, path: str, value: object) -> Document:
    """A copy with `value` at a dotted path; a list's `-` appends, a value of None takes the field away."""
    document = copy.deepcopy(document)
    *way, last = path.split("/")
    found: Any = document
    for part in way:
        found = found[int(part)] if isinstance(found, list) else found.setdefault(part, {})
    if last == "-":
        found.append(value)
    elif value is None:
        del found[last]
    else:
        found[int(last) if isinstance(found, list) else last] = value
    return document


STEP = "spec/templates/0"
MAIN = f"{STEP}/container"
SECRET = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "other", "key": "k"}}}

INDEX = {"parameters": [{"name": "index", "value": "{{item}}"}]}
RING = {"name": "sub", "template": "sub", "withSequence": {"count": 2}, "arguments": INDEX}

#: What may not be in a WorkflowTemplate: where it is put, what, and a part of the refusal.
BAD: list[tuple[str, object, str]] = [
    # images
    (f"{MAIN}/image", "docker.io/library/alpine:3", "image that is not on the list"),
    (f"{MAIN}/image", "ghcr.io/feedfall/feedfall-own:0.1.0", "image that is not on the list"),  # a longer name
    (f"{MAIN}/image", "ghcr.io/feedfall/feedfall:5000/own:1", "image that is not on the list"),  # a host with a port
    (f"{MAIN}/image", "ghcr.io/feedfall/feedfall:{{workflow.parameters.word}}", "image that is not on the list"),
    (f"{MAIN}/image", "ghcrXio/feedfall/feedfall:1", "image that is not on the list"),  # a dot is a dot
    (f"{MAIN}/image", None, "image that is not on the list"),
    # service accounts
    (f"{STEP}/serviceAccountName", "default", "service account that is not on the list"),
    ("spec/serviceAccountName", "feedfall-deploy", "service account that is not on the list"),
    ("spec/serviceAccountName", "{{workflow.parameters.word}}", "service account that is not on the list"),
    ("spec/serviceAccountName", None, "or none"),
    ("spec/executor", {"serviceAccountName": "argo"}, "fields of spec that are not allowed: executor"),
    (f"{STEP}/executor", {"serviceAccountName": "argo"}, "fields of a template that are not allowed: executor"),
    (f"{STEP}/automountServiceAccountToken", True, "automountServiceAccountToken"),
    # steps
    ("spec/templates/-", {"name": "own"}, "one container or steps"),  # both of them Argo's own definition refuses
    (f"{STEP}/inputs", {"parameters": [{"name": "image"}]}, "its input is an index"),
    (f"{STEP}/inputs", {"artifacts": [{"name": "index", "path": "/x"}]}, "its input is an index"),
    ("spec/templates/-", {"name": "own", "steps": [[{"name": "x", "template": "sub"}]]}, "Steps start"),
    ("spec/templates/-", {"name": "own", "steps": [[RING | {"templateRef": {"name": "x"}}]]}, "Steps start"),
    ("spec/templates/-", {"name": "own", "steps": [[RING | {"inline": {"script": {}}}]]}, "Steps start"),
    ("spec/templates/-", {"name": "own", "steps": [[RING], [RING]]}, "Steps start"),
    ("spec/templates/-", {"name": "own", "steps": [[RING | {"hooks": {"exit": {"template": "x"}}}]]}, "Steps start"),
    # Secrets and ConfigMaps
    (f"{MAIN}/env/-", SECRET, "Secret that is not on the list of ConfigMap feedfall-policy: other"),
    (f"{MAIN}/envFrom/-", {"secretRef": {"name": "feedfall-calendar"}}, "Secret that is not on the list"),
    (f"{MAIN}/envFrom/-", {"configMapRef": {"name": "kube-root-ca.crt"}}, "ConfigMap that is not on the list"),
    (f"{STEP}/volumes/-", {"name": "x", "secret": {"secretName": "other"}}, "Secret that is not on the list"),
    (f"{STEP}/volumes/-", {"name": "x", "configMap": {"name": "other"}}, "ConfigMap that is not on the list"),
    (f"{STEP}/volumes/-", {"name": "x", "projected": {"sources": []}}, "A volume is"),
    (f"{STEP}/volumes/-", {"name": "x", "hostPath": {"path": "/"}}, "A volume is"),
    (f"{STEP}/volumes/-", {"name": "x", "csi": {"driver": "secrets-store"}}, "A volume is"),
    ("spec/volumes", [{"name": "x", "secret": {"secretName": "feedfall"}}], "not allowed: volumes"),
    ("spec/imagePullSecrets", [{"name": "other"}], "Secret that is not on the list"),
    # settings that would send a password or a token elsewhere
    (f"{MAIN}/env/-", {"name": "ARGO_SERVER", "value": "https://own.example.com"}, "A variable comes from"),
    (
        f"{MAIN}/env/-",
        {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        "A variable comes from",
    ),
    (f"{MAIN}/envFrom/-", {"prefix": "X_", "configMapRef": {"name": "feedfall"}}, "A variable comes from"),
    # what runs
    (f"{MAIN}/command", ["python", "-c", "print(1)"], "A container's command is"),
    (f"{MAIN}/command", ["python", "-m", "steps", "pub"], "A container's command is"),  # not this template's stage
    (f"{MAIN}/command", None, "A container's command is"),
    (
        f"{MAIN}/lifecycle",
        {"postStart": {"exec": {"command": ["sh"]}}},
        "of a container that are not allowed: lifecycle",
    ),
    (f"{MAIN}/workingDir", "/tmp", "of a container that are not allowed: workingDir"),  # noqa: S108 -- Python reads it
    (f"{STEP}/podSpecPatch", '{"hostNetwork": true}', "A podSpecPatch"),
    ("spec/podSpecPatch", '{"hostNetwork": true}', "fields of spec that are not allowed: podSpecPatch"),
    (f"{STEP}/initContainers", [{"name": "i", "image": "own"}], "of a template that are not allowed: initContainers"),
    (f"{STEP}/sidecars", [{"name": "s", "image": "own"}], "fields of a template that are not allowed: sidecars"),
    # (one type each, steps with an entry: Argo's CRD itself refuses the rest, before the policy is asked)
    (
        STEP,
        {"name": "sub", "containerSet": {"containers": [{"name": "main", "image": "own"}]}},
        "of a template that are not allowed: containerSet",
    ),
    (
        STEP,
        {"name": "sub", "script": {"image": "own", "source": "x"}},
        "fields of a template that are not allowed: script",
    ),
    (
        "spec/templates/-",
        {"name": "own", "script": {"image": "own", "source": "x"}},
        "of a template that are not allowed: script",
    ),
    ("spec/templates/-", {"name": "own", "resource": {"action": "get"}}, "that are not allowed: resource"),
    ("spec/templates/-", {"name": "own", "http": {"url": "http://x"}}, "that are not allowed: http"),
    ("spec/templates/-", {"name": "own"}, "A template is one container"),
    ("spec/templateDefaults", {"container": {"image": "own"}}, "not allowed: templateDefaults"),
    ("spec/hooks", {"exit": {"template": "own"}}, "fields of spec that are not allowed: hooks"),
    ("spec/onExit", "own", "fields of spec that are not allowed: onExit"),
    ("spec/hostNetwork", True, "fields of spec that are not allowed: hostNetwork"),
    # files and annotations from outside
    (f"{STEP}/inputs", {"artifacts": [{"name": "a", "path": "/opt/a.py", "raw": {"data": "x"}}]}, "one container"),
    (f"{STEP}/metadata", {"annotations": {"vault.example.com/inject": "true"}}, "one container"),
    ("spec/podMetadata/annotations", {"vault.example.com/inject": "true"}, "podMetadata has labels only"),
    ("spec/arguments/artifacts", [{"name": "a", "s3": {}}], "without artifacts"),
    (
        "spec/arguments/parameters",
        [{"name": "word", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "y"}}}],
        "without valueFrom",
    ),
]

#: What may not be in a Workflow, nor in the workflowSpec of a CronWorkflow.
BAD_RUNS: list[tuple[str, object, str]] = [
    ("serviceAccountName", "feedfall-sweep", "names a WorkflowTemplate"),
    ("podSpecPatch", '{"hostNetwork": true}', "names a WorkflowTemplate"),
    ("workflowTemplateRef/clusterScope", True, "names a WorkflowTemplate"),
    ("workflowTemplateRef", None, "names a WorkflowTemplate"),
    ("templates", [{"name": "own", "container": {"image": "own"}}], "names a WorkflowTemplate"),
    ("arguments/artifacts", [{"name": "a", "raw": {"data": "x"}}], "without artifacts"),
]


def run_of(template: str) -> Document:
    """A Workflow as Argo Server's submit and the Sensor make it."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": f"{template}-1", "labels": {"feedfall/stage": "sub"}},
        "spec": {
            "workflowTemplateRef": {"name": template},
            "arguments": {"parameters": [{"name": "word", "value": "0"}]},
        },
    }
