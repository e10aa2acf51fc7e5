"""The board's image and manifests: what it holds, that the pods' image has none of it, and how it is locked down."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from typing import Any

import yaml

from workflows import render

ROOT = render.ROOT
FOLDER = ROOT / "deploy/board"
HTTPX_COMMAND = {"markdown-it-py", "mdurl", "pygments", "rich"}
"""httpx imports them for a command of its own, where they happen to be installed."""
CODE = """
import sys
import service.board.__main__
files = {name.split(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}
print(*sorted(files - set(sys.stdlib_module_names)))
"""


def stage(name: str) -> str:
    text = (ROOT / "Dockerfile").read_text()
    return text[text.index(f" AS {name}\n") :].split("\nFROM ")[0]


def imported() -> set[str]:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, cwd=ROOT)
    return {each for each in done.stdout.split() if not each.startswith("_")}


def test_image__has_every_package_and_room_that_the_board_imports() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/board.txt").read_text(), re.MULTILINE))
    rooms = set(re.findall(r"^COPY ([a-z_]+) /opt", stage("board-build"), re.MULTILINE))
    homes, found = packages_distributions(), imported()
    ours = {each for each in found if (ROOT / each).is_dir()}
    packages = {homes[each][0].lower().replace("_", "-") for each in found - ours} - HTTPX_COMMAND
    assert (ours - rooms, packages - locked) == (set(), set())


def test_image__knows_no_hera_no_templates_and_no_command_line() -> None:
    assert not imported() & {"hera", "typer", "workflows", "cli", "local"}
    pod = (ROOT / "requirements/pod.txt").read_text()
    assert not re.search(r"^(fastapi|jinja2|pyjwt|cryptography|uvicorn|starlette)==", pod, re.MULTILINE)
    assert "rm -r /opt/feedfall/service/board" in stage("calendar-build")


def documents() -> dict[str, dict[str, Any]]:
    files = [each for each in FOLDER.glob("*.yaml") if each.name != "kustomization.yaml"]
    return {each["kind"]: each for file in files for each in yaml.safe_load_all(file.read_text())}


def test_deployment__is_locked_down_and_needs_a_sign_in() -> None:
    spec = documents()["Deployment"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    context = container["securityContext"]
    assert (spec["replicas"], context["readOnlyRootFilesystem"], context["runAsNonRoot"]) == (2, True, True)
    assert (context["capabilities"], context["allowPrivilegeEscalation"]) == ({"drop": ["ALL"]}, False)
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    assert {"name": "FEEDFALL_BOARD_PLACE", "value": "production"} in container["env"]
    assert "FEEDFALL_BOARD_KEY_FILE" in [each["name"] for each in container["env"]]  # two replicas, one key


def test_network__lets_in_the_proxy_and_prometheus_alone() -> None:
    found = documents()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    policy = found["NetworkPolicy"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert found["Service"]["spec"]["selector"].items() <= labels.items()
    ports = {each["name"]: each["containerPort"] for each in container_of(found)["ports"]}
    assert [[port["port"] for port in each["ports"]] for each in policy["ingress"]] == [
        [ports["https"]],
        [ports["metrics"]],
    ]


def container_of(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    (container,) = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(container)
