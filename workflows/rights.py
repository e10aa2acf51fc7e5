"""What our pods may do in the cluster: two service accounts, each with its Role and RoleBinding. Sources: Argo v4.0.7.

    feedfall-pod     create, patch workflowtaskresults   Argo's wait container reports the exit code with it
    feedfall-sweep   the same, and create workflows      enough for Argo Server's submit call, see SUBMIT

No namespace is written: kustomize's `namespace:` fills it in, the bindings' subjects included.
"""

from typing import Any

from workflows.pod import POD, SWEEP

Rule = dict[str, list[str]]

REPORT: Rule = {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}

# SubmitWorkflow (server/workflow/workflow_server.go) creates the Workflow with the caller's token. The WorkflowTemplate
# it validates against comes from an informer that runs under the server's own account (server/apiserver/argoserver.go,
# workflowtemplate.NewInformer(as.restConfig, …)): the caller needs no `get workflowtemplates`.
SUBMIT: Rule = {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["create"]}


def documents() -> list[dict[str, Any]]:
    return [*_grant(POD, [REPORT]), *_grant(SWEEP, [REPORT, SUBMIT])]


def _grant(name: str, rules: list[Rule]) -> list[dict[str, Any]]:
    rbac = "rbac.authorization.k8s.io"
    metadata = {"name": name, "labels": {"app.kubernetes.io/part-of": "feedfall"}}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name}],
        },
    ]
