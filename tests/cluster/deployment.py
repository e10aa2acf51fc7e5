"""To have a real cluster: built, deployed, and its logs collected.

KUBECONFIG names it; without one `.ci/cluster/rig` builds one on this machine. Its Kafka and PostgreSQL must be reached
from here (FEEDFALL_E2E_KAFKA, FEEDFALL_E2E_DATABASE) and from the pods (the overlay `local-cluster`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from bank import PACKAGES, ROOT, migrated
from cluster.world import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Callable

RIG = ROOT / ".ci/cluster/rig"
IMAGE = "ghcr.io/feedfall/feedfall"

HOST = os.environ.get("FEEDFALL_E2E_HOST", "10.42.0.1")
"""This machine's address, as pods see it: the partner simulator listens there."""
KAFKA = os.environ.get("FEEDFALL_E2E_KAFKA", "127.0.0.1:9092")
DATABASE = os.environ.get("FEEDFALL_E2E_DATABASE", "postgresql://rig:rig@127.0.0.1:5433/postgres")


def ready(say: Callable[[str], None]) -> bool:
    """Point KUBECONFIG to a cluster; True where it was started here."""
    if os.environ.get("KUBECONFIG"):
        return False
    if sys.platform != "linux" or os.geteuid() != 0:
        raise AssertionError("set KUBECONFIG to a cluster with Argo Workflows and Argo Events, or run as root on Linux")
    started = "down" in subprocess.run([RIG, "status"], capture_output=True, text=True, check=True).stdout
    if started:
        say("starting the rig: a minute, or 20 minutes on a machine that never had it")
        subprocess.run([RIG, "up"], check=True, stdout=subprocess.DEVNULL)
    for line in subprocess.run([RIG, "env"], capture_output=True, text=True, check=True).stdout.splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        if name in ("KUBECONFIG", "PATH"):
            os.environ[name] = value.replace("$PATH", os.environ["PATH"])
    return started


def images(tmp: Path) -> None:
    """The image under test, and with the tests' feeds in it."""
    shutil.copytree(ROOT / "tests/sample_feeds", tmp / "sample_feeds", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tests/cluster/Dockerfile", tmp)
    image("dev", ROOT)
    image("e2e", tmp)


def image(tag: str, folder: Path, stage: str = "") -> None:
    """Build a folder, to its end or to a stage, and hand it over. FEEDFALL_E2E_IMAGE: a command TAG FOLDER [STAGE]."""
    build = os.environ.get("FEEDFALL_E2E_IMAGE", f"{RIG} image").split()
    words = [f"{IMAGE}-{stage}:{tag}", str(folder), stage] if stage else [f"{IMAGE}:{tag}", str(folder)]
    done = subprocess.run([*build, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def database(name: str) -> str:
    with psycopg.connect(DATABASE, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = DATABASE.rsplit("/", 1)[0] + "/" + name
    migrated(url)
    return url


def rendered(tmp: Path, name: str) -> str:
    """The tests' overlay over the manifests of all feeds; only the names of this session differ."""
    command = [sys.executable, "-m", "workflows.render", str(tmp)]
    path = f"{ROOT}:{ROOT / 'tests'}"
    own = {"FEEDFALL_FEEDS": ",".join(PACKAGES), "FEEDFALL_TOPIC_PREFIX": f"{name}.", "PYTHONPATH": path}
    subprocess.run(command, check=True, env=os.environ | own, cwd=ROOT, stdout=subprocess.DEVNULL)
    shutil.copytree(ROOT / "deploy", tmp / "deploy", dirs_exist_ok=True)
    overlay = tmp / "deploy/overlays/local-cluster"
    more = f"  FEEDFALL_FEEDS: {','.join(PACKAGES)}\n  FEEDFALL_TOPIC_PREFIX: {name}.\n"
    for file, old, new in (
        ("kustomization.yaml", "newTag: dev", "newTag: e2e"),
        ("settings.yaml", "/postgres\n", f"/{name}\n"),
        ("settings.yaml", "  FEEDFALL_PARTNER_URL_ECB", more + "  FEEDFALL_PARTNER_URL_ECB"),
    ):
        text = (overlay / file).read_text()
        assert old in text
        (overlay / file).write_text(text.replace(old, new))
    own_overlay = overlay.with_name("e2e")
    own_overlay.mkdir()
    shutil.copy(ROOT / "tests/cluster/kustomization.yaml", own_overlay)
    done = subprocess.run(["kubectl", "kustomize", str(own_overlay)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def partner_service(number: int) -> str:
    """The partner simulator on this machine gets a name that pods know."""
    meta = {"name": "partner", "namespace": "rig"}
    labels = {"kubernetes.io/service-name": "partner"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": meta}
    port = {"name": "http", "port": 80, "targetPort": number}
    addresses = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4"}
    items = [
        {**service, "spec": {"ports": [port]}},
        {
            **addresses,
            "metadata": {**meta, "labels": labels},
            "ports": [{"name": "http", "port": number}],
            "endpoints": [{"addresses": [HOST], "conditions": {"ready": True}}],
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def logs(folder: Path) -> None:
    """What one wants to read after a failure."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {
        "objects": "get workflows,pods,eventbus,eventsource,sensor,cronworkflows -o wide",
        "events": "get events --sort-by=.lastTimestamp",
        "workflows.yaml": "get workflows -o yaml",
        "runs": "logs -l feedfall/stage -c main --tail=50 --prefix --max-log-requests=500",
        "eventsource": "logs -l eventsource-name=feedfall --tail=500",
        "calendar": "logs -l app.kubernetes.io/name=feedfall-calendar --tail=500 --prefix",
        "sensor": "logs -l sensor-name=feedfall --tail=500",
        "controller": "-n argo logs deploy/workflow-controller --tail=2000",
    }
    for name, words in wanted.items():
        command = ["kubectl", "-n", NAMESPACE, "--request-timeout=30s", *words.split()]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        (folder / name).write_text(done.stdout + done.stderr)
