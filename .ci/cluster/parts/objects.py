"""What goes into the running cluster: the namespaces, the Services by which pods know Kafka and PostgreSQL, and Argo
Workflows and Argo Events with their settings.
"""

import json
import subprocess

from parts.settings import DNS, EVENTS, HOME, HOST, NAMESPACES, WORKFLOWS
from parts.shell import kubectl, module_dir, out


def services():
    """What runs on the machine gets the names that pods know it by."""
    for folder in ("rig", *NAMESPACES):
        kubectl("create", "namespace", folder, stdout=subprocess.DEVNULL)
    kubectl("apply", "-f", "-", stdout=subprocess.DEVNULL, input=json.dumps({
        "apiVersion": "v1", "kind": "List", "items": [
            item for name, namespace, address, ports in (
                ("kube-dns", "kube-system", DNS, {"dns": (53, 53, "UDP"), "dns-tcp": (53, 53, "TCP")}),
                ("kafka", "rig", None, {"kafka": (9092, 9094, "TCP")}),
                ("postgres", "rig", None, {"postgres": (5432, 5433, "TCP")}),
            ) for item in service(name, namespace, address, ports)]}))


def service(name, namespace, address, ports):
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
         "spec": {**({"clusterIP": address} if address else {}),
                  "ports": [{"name": port, "port": outer, "targetPort": inner, "protocol": protocol}
                            for port, (outer, inner, protocol) in ports.items()]}},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
         "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
         "ports": [{"name": port, "port": inner, "protocol": protocol} for port, (_, inner, protocol) in ports.items()],
         "endpoints": [{"addresses": [HOST], "conditions": {"ready": True}}]}]


def argo():
    """Applies upstream's own install manifests, as published in the modules."""
    workflows = HOME / "src/workflows/upstream/manifests"
    events = module_dir("github.com/argoproj/argo-events", HOME / "src/events") / "manifests"
    for namespace, folder in (("argo", workflows / "cluster-install"), ("argo-events", events / "cluster-install")):
        manifest = out("kubectl", "kustomize", folder)
        for image in ("argoexec", "argocli", "workflow-controller"):
            manifest = manifest.replace(f"quay.io/argoproj/{image}:latest", f"quay.io/argoproj/{image}:{WORKFLOWS}")
        manifest = manifest.replace("quay.io/argoproj/argo-events:latest", f"quay.io/argoproj/argo-events:{EVENTS}")
        kubectl("apply", "-n", namespace, "--server-side", "-f", "-", input=manifest, stdout=subprocess.DEVNULL)
    # By default the controller looks at a pod's end up to 10 s late; Argo's own comment allows this setting.
    executor = f"--executor-image=quay.io/argoproj/argoexec:{WORKFLOWS}"
    patch = [{"op": "add", "path": "/spec/template/spec/containers/0/args", "value": [executor]},
             {"op": "add", "path": "/spec/template/spec/containers/0/env/-",
              "value": {"name": "DEFAULT_REQUEUE_TIME", "value": "1s"}}]
    kubectl("-n", "argo", "patch", "deployment", "workflow-controller", "--type=json", "-p", json.dumps(patch),
            stdout=subprocess.DEVNULL)
    # Argo's own containers under Pod Security `restricted`, and an API that pods reach in plain HTTP with their token.
    executor = json.dumps({"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
                                               "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}})
    # Strict: who may create Workflows may create only those of a WorkflowTemplate.
    restrictions = json.dumps({"templateReferencing": "Strict"})
    kubectl("-n", "argo", "patch", "configmap", "workflow-controller-configmap", "--type=merge", "-p",
            json.dumps({"data": {"executor": executor, "workflowRestrictions": restrictions}}), stdout=subprocess.DEVNULL)
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/args",
              "value": ["server", "--auth-mode=client", "--secure=false"]},
             {"op": "replace", "path": "/spec/template/spec/containers/0/readinessProbe/httpGet/scheme",
              "value": "HTTP"}]
    kubectl("-n", "argo", "patch", "deployment", "argo-server", "--type=json", "-p", json.dumps(patch),
            stdout=subprocess.DEVNULL)
    for namespace in NAMESPACES:
        kubectl("-n", namespace, "rollout", "status", "deployment", "--timeout=180s", stdout=subprocess.DEVNULL)
