"""What feedfall's pods may do in the cluster: service accounts, with Role and RoleBinding. Sources: Argo v4.0.7.

    feedfall-pod        create, patch workflowtaskresults   Argo's wait container reports the exit code with it
    feedfall-sweep      the same, and create workflows      enough for Argo Server's submit call, see SUBMIT
    feedfall-doorbell   create workflows                    the Sensor
    feedfall-listener   nothing                             the EventSource: its bus elects a leader without Kubernetes

No namespace stands here: kustomize's `namespace:` fills it in, in the bindings' subjects too.
"""

from typing import Any

from workflows.doorbell import SENSOR, SOURCE
from workflows.pod import POD, SWEEP

Rule = dict[str, list[str]]

REPORT: Rule = {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}

# SubmitWorkflow (server/workflow/workflow_server.go) creates the Workflow with the caller's token. The WorkflowTemplate
# it validates against comes from an informer that runs under the server's own account (server/apiserver/argoserver.go,
# workflowtemplate.NewInformer(as.restConfig, …)): the caller needs no `get workflowtemplates`.
SUBMIT: Rule = {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["create"]}


def documents() -> list[dict[str, Any]]:
    """Return the rights that the pods of `argo-workflows/` need."""
    return [*_grant(POD, [REPORT]), *_grant(SWEEP, [REPORT, SUBMIT])]


def doorbell_documents() -> list[dict[str, Any]]:
    """Return the rights that the pods of `argo-events/` need."""
    return [*_grant(SENSOR, [SUBMIT]), _account(SOURCE)]


def _account(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(name)}


def _metadata(name: str) -> dict[str, Any]:
    return {"name": name, "labels": {"app.kubernetes.io/part-of": "feedfall"}}


def _grant(name: str, rules: list[Rule]) -> list[dict[str, Any]]:
    rbac = "rbac.authorization.k8s.io"
    metadata = _metadata(name)
    return [
        _account(name),
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name}],
        },
    ]
