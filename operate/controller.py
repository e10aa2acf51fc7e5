"""Argo's controller: does it run only Workflows that name a WorkflowTemplate (`templateReferencing`)?

The Argo Server does not know it: no answer of its API depends on this setting, and a server-side dry run accepts what
the controller would refuse. The setting is in the controller's ConfigMap. So kubectl reads it, with the rights that
this machine has (KUBECONFIG, or a pod's account); what cannot be read is reported as not checked, never as right.
Called by `feedfall deploy`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping

import yaml

CONFIG = "argo/workflow-controller-configmap"
"""Where Argo's own manifests put it."""
REFERENCE_MODES = ("Strict", "Secure")
CONSEQUENCE = "an account that may create Workflows may run any image as any service account of its namespace"


def check(place: str = CONFIG) -> str:
    """A sentence for the person who deploys; it begins with WARNING unless the controller was seen to be strict."""
    try:
        data = read(place)
        mode = template_referencing(data)
    except (LookupError, OSError, ValueError, subprocess.SubprocessError, yaml.YAMLError) as error:
        return (
            f"WARNING: templateReferencing was NOT CHECKED: {error}. If it is not Strict, {CONSEQUENCE}. Check: "
            f"kubectl -n {place.partition('/')[0]} get configmap {place.partition('/')[2]} -o yaml"
        )
    seen = f"{place}, read with kubectl's context {context()}"
    if mode in REFERENCE_MODES:
        return f"templateReferencing is {mode} ({seen})."
    return (
        f"WARNING: templateReferencing is {mode or 'not set'} ({seen}): {CONSEQUENCE}. Write "
        "workflowRestrictions: {templateReferencing: Strict} into that ConfigMap"
    )


def template_referencing(data: Mapping[str, str]) -> str:
    """The mode that a controller's ConfigMap sets; empty for none. ValueError, YAMLError: it cannot be understood."""
    whole = _table("config", data.get("config"))  # all settings in one key: Argo's older form
    restrictions = _table("workflowRestrictions", data.get("workflowRestrictions") or whole.get("workflowRestrictions"))
    return str(restrictions.get("templateReferencing") or "")


def _table(name: str, value: object) -> Mapping[str, object]:
    found = (yaml.safe_load(value) if isinstance(value, str) else value) or {}
    if not isinstance(found, dict):
        raise ValueError(f"{name} is {found!r}, not a table")  # noqa: TRY004 -- a value is wrong, not a type of ours
    return found


def read(place: str) -> Mapping[str, str]:
    """The data of a ConfigMap, NAMESPACE/NAME. LookupError, OSError, SubprocessError: it cannot be read here."""
    namespace, _, name = place.partition("/")
    if not namespace or not name:
        raise ValueError(f"{place!r} is not NAMESPACE/NAME")
    done = _kubectl("-n", namespace, "get", "configmap", name, "-o", "json", "--request-timeout=10s")
    if done.returncode:
        raise LookupError((done.stderr.strip() or "kubectl gave no reason").splitlines()[-1])
    data: Mapping[str, str] = json.loads(done.stdout).get("data") or {}
    return data


def context() -> str:
    """Whose ConfigMap it was: kubectl may point to another cluster than ARGO_SERVER does."""
    return _kubectl("config", "current-context").stdout.strip() or "(none: the pod's own cluster)"


def _kubectl(*words: str) -> subprocess.CompletedProcess[str]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise LookupError("no kubectl on the PATH")
    return subprocess.run([kubectl, *words], capture_output=True, text=True, check=False, timeout=30)  # noqa: S603 -- no shell
