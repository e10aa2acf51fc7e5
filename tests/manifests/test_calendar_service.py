"""The calendar service's image and manifests: what it holds, what it may, and what its document says."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from typing import Any

import pytest
import yaml

import business_day
from service.__main__ import port_of
from service.calendar_api.routes import api
from service.metrics import Metrics
from service.snapshot import Current
from service.tokens import Tokens
from workflows import render

ROOT = render.ROOT
NAME = "feedfall-calendar"

CODE = """
import sys
import service.__main__
own = {"service", "ledger", "business_day", "calendar_client", "__main__"}
files = {name.split(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}
print(*sorted(files - set(sys.stdlib_module_names) - own))
"""


@pytest.fixture(scope="module")
def overlay() -> list[dict[str, Any]]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no `kubectl` on the PATH")
    command = [kubectl, "kustomize", str(ROOT / "deploy/overlays/production")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


def one(documents: list[dict[str, Any]], kind: str, name: str = NAME) -> dict[str, Any]:
    (found,) = (each["spec"] for each in documents if each["kind"] == kind and each["metadata"]["name"] == name)
    return dict(found)


def test_image__has_every_package_and_room_that_the_service_imports() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, cwd=ROOT)
    homes = packages_distributions()
    imported = {homes[name][0].lower().replace("_", "-") for name in done.stdout.split() if not name.startswith("_")}
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/service.txt").read_text(), re.MULTILINE))
    assert imported - locked == set()
    assert not imported & {"httpx", "confluent-kafka", "hera", "typer"}


def test_image__of_the_pods_has_none_of_it() -> None:
    pod = (ROOT / "requirements/pod.txt").read_text()
    assert not re.search(r"^(fastapi|uvicorn|starlette|prometheus-client)==", pod, re.MULTILINE)
    stages = re.findall(r"^FROM .*$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert stages[-1] == "FROM ${PYTHON}"  # what `docker build .` makes is still the pods' image: no stage has its name


def test_deployment__is_locked_down(overlay: list[dict[str, Any]]) -> None:
    pod = one(overlay, "Deployment")["template"]["spec"]
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    assert set(container["resources"]) == {"limits", "requests"}


def test_deployment__is_alive_without_its_database_and_not_ready(overlay: list[dict[str, Any]]) -> None:
    (container,) = one(overlay, "Deployment")["template"]["spec"]["containers"]
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("liveness", "readiness", "startup")}
    assert probes == {
        "liveness": {"path": "/healthz", "port": "metrics"},
        "readiness": {"path": "/readyz", "port": "https", "scheme": "HTTPS"},
        "startup": {"path": "/healthz", "port": "https", "scheme": "HTTPS"},
    }
    paths = {route.path for route in app().routes}  # type: ignore[attr-defined] # every one of ours has a path
    assert {each["path"] for each in probes.values()} <= paths


def test_deployment__speaks_tls_and_has_a_port_for_metrics(overlay: list[dict[str, Any]]) -> None:
    pod = one(overlay, "Deployment")["template"]["spec"]
    (container,) = pod["containers"]
    settings = {each["name"]: each.get("value") for each in container["env"]}
    assert {"name": "metrics", "containerPort": port_of(settings)} in container["ports"]
    folders = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    files = [settings["FEEDFALL_TLS_CERT_FILE"], settings["FEEDFALL_TLS_KEY_FILE"]]
    assert files == [f"{folders['tls']}/tls.crt", f"{folders['tls']}/tls.key"]
    (secret,) = (each["secret"] for each in pod["volumes"] if each["name"] == "tls")
    assert (secret["secretName"], secret.get("optional")) == (f"{NAME}-tls", None)


def test_service__and_network_policies_find_the_pods(overlay: list[dict[str, Any]]) -> None:
    deployment = one(overlay, "Deployment")
    labels = deployment["template"]["metadata"]["labels"]
    (container,) = deployment["template"]["spec"]["containers"]
    for wanted in (deployment["selector"]["matchLabels"], one(overlay, "Service")["selector"]):
        assert wanted.items() <= labels.items()
    policy = one(overlay, "NetworkPolicy", "calendar")
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    clients, platform = policy["ingress"]
    assert [each["port"] for each in clients["ports"]] == [ports["https"]]
    assert [each["port"] for each in platform["ports"]] == [ports["metrics"]]
    assert platform["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert one(overlay, "Service")["ports"] == [{"name": "https", "port": 443, "targetPort": "https"}]


def test_calendars__of_ones_own_reach_every_pod_and_the_service(overlay: list[dict[str, Any]]) -> None:
    wanted = {"name": "calendars", "configMap": {"name": "feedfall-calendars", "optional": True}}
    templates = [each["spec"]["templates"][0] for each in overlay if each["kind"] == "WorkflowTemplate"]
    assert templates
    for step in templates:
        assert wanted in step["volumes"]
        assert "/etc/feedfall/calendars" in [mount["mountPath"] for mount in step["container"]["volumeMounts"]]
    assert wanted in one(overlay, "Deployment")["template"]["spec"]["volumes"]


def test_document__says_everything_in_korean_and_english() -> None:
    document = app().openapi()
    texts = list(told(document))
    assert len(texts) > 100
    for text in texts:
        assert re.search("[가-힣]", text), text
        assert re.search("[a-z]{2}", text), text


def test_document__offers_every_policy() -> None:
    (policy,) = (each for each in shift_parameters() if each["name"] == "policy")
    offered = next(each["enum"] for each in policy["schema"]["anyOf"] if "enum" in each)
    assert offered == list(business_day.Policy)


def shift_parameters() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = app().openapi()["paths"]["/v1/calendars/{name}/shift"]["get"]["parameters"]
    return found


def test_document__has_every_path_and_its_problems() -> None:
    paths = app().openapi()["paths"]
    assert sorted(paths) == [
        "/v1/calendars",
        "/v1/calendars/{name}",
        "/v1/calendars/{name}/days",
        "/v1/calendars/{name}/days/{day}",
        "/v1/calendars/{name}/months/{month}",
        "/v1/calendars/{name}/overrides",
        "/v1/calendars/{name}/overrides/{day}",
        "/v1/calendars/{name}/shift",
        "/v1/calendars/{name}/table",
        "/v1/days/{day}",
        "/v1/overrides",
    ]
    for operations in paths.values():
        for operation in operations.values():
            assert "application/problem+json" in operation["responses"]["422"]["content"]
    declare = paths["/v1/calendars/{name}/overrides"]["post"]
    assert {"401", "403", "409"} <= set(declare["responses"])
    assert declare["security"] == [{"HTTPBearer": []}]


def app() -> Any:  # noqa: ANN401 -- FastAPI's own
    current = Current("postgresql://nobody@127.0.0.1:1/none", business_day.read_own(""))
    return api(current, Tokens(None), Metrics(current))


def told(part: Any) -> Any:  # noqa: ANN401 -- any part of the document
    """Every description and summary in it."""
    if isinstance(part, list):
        for each in part:
            yield from told(each)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key in ("description", "summary") and isinstance(value, str):
                yield value
            else:
                yield from told(value)
