"""What `feedfall local` answers is what an Argo Server does: read by Hera's models, which are made of Argo's own API.

The operators' commands and Hera's service call it; what a document of Argo's cannot hold would be lost.
"""

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hera.workflows import models

from bank import ROOT
from catalog import find
from local.argo.clock import Clock
from local.argo.player import NAMESPACE, Player
from local.argo.server import serve_argo
from local.argo.workflow import Workflow, now
from local.servers.process import Processes
from operate import deploy
from operate.argo import Argo
from workflows import manifests

Document = dict[str, Any]
CONFIGURATION = {"feedfall": {"database-url": "postgresql://there", "kafka-bootstrap-servers": "there:1"}}
SECONDS = 20


@pytest.fixture
def player(tmp_path: Path) -> Iterator[Player]:
    found = [each for documents in manifests(find.every()).values() for each in documents]
    documents = [sleeping(each) for each in found if each["kind"] in deploy.KINDS]
    with Processes() as processes, Player(processes, documents, CONFIGURATION, tmp_path) as player:
        yield player


@pytest.fixture
def url(player: Player) -> Iterator[str]:
    with serve_argo(player) as url:
        yield url


@pytest.fixture
def api(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def sleeping(document: Document) -> Document:
    """The same, but fx-verify waits until it is stopped."""
    document = copy.deepcopy(document)
    if document["metadata"]["name"] == "fx-verify" and document["kind"] == "WorkflowTemplate":
        code = "import time; print('up', flush=True); time.sleep(600)"
        document["spec"]["templates"][0]["container"] |= {"command": ["python", "-c", code], "args": []}
    return document


def desk(url: str) -> Argo:
    return Argo({"ARGO_SERVER": url, "ARGO_NAMESPACE": NAMESPACE, "ARGO_TOKEN": "none"})


def run_deploy(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    told = {"ARGO_SERVER": url, "ARGO_NAMESPACE": NAMESPACE, "NO_PROXY": "*"}
    command = [sys.executable, "-m", "cli", "deploy", *words]
    done = subprocess.run(command, env=told, capture_output=True, text=True, cwd=ROOT, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    return done


def test_shape__each_answer_is_one_that_argos_own_api_knows(player: Player, api: httpx.Client) -> None:
    player.submit("fx-verify", name="mine")
    player.stop("mine")
    player.wait("mine", SECONDS)
    shapes: list[tuple[str, Callable[..., Any]]] = [
        ("workflows/local/mine", models.Workflow),
        ("workflows/local", models.WorkflowList),
        ("workflow-templates/local/fx-sub", models.WorkflowTemplate),
        ("workflow-templates/local", models.WorkflowTemplateList),
        ("cron-workflows/local/fx-pub", models.CronWorkflow),
        ("cron-workflows/local", models.CronWorkflowList),
    ]
    for path, model in shapes:
        found = api.get(f"/api/v1/{path}").json()
        assert list(deploy.changes(found, deploy.to_document(model(**found)))) == [], path


def test_stop__sets_spec_shutdown_as_argo_does(player: Player, url: str) -> None:
    player.submit("fx-verify", name="mine")
    with desk(url) as argo:
        next(argo.log("mine", follow=True))
        running = argo.get("mine")
        argo.stop("mine", "enough")
        player.wait("mine", SECONDS)
        stopped = argo.get("mine")
    assert [(each.stopped, each.phase) for each in (running, stopped) if each] == [(False, "Running"), (True, "Failed")]


def test_deploy__to_the_player_finds_what_is_rendered_unchanged(player: Player, url: str) -> None:
    undo(player)
    done = run_deploy(url)
    assert {line.split()[0] for line in done.stdout.splitlines()[:-1]} == {"unchanged"}


def test_deploy__a_changed_template_holds_from_the_next_start_on(player: Player, url: str) -> None:
    running = player.submit("fx-verify", name="before")
    assert "changed       WorkflowTemplate  fx-verify" in run_deploy(url).stdout  # back to what is rendered
    assert running.template.container["command"][1] == "-c"
    assert player.objects.templates["fx-verify"].container["command"] == ["python", "-m", "steps", "verify"]
    assert not running.ended.is_set()
    assert "changed" not in run_deploy(url).stdout.replace("unchanged", "")


def test_deploy__a_changed_cron_ticks_by_its_new_schedule(player: Player, url: str, tmp_path: Path) -> None:
    started: list[str] = []

    def submit(template: str, *, name: str, labels: dict[str, str]) -> Workflow:
        started.append(name.rpartition("-")[0])
        return Workflow(name, player.objects.templates[template], {}, labels)

    noon = now().replace(hour=12, minute=0, second=30)
    clock = Clock(player.objects.crons, submit, noon)
    cron = next(each for each in deploy.render(["feeds"]) if each["metadata"]["name"] == "fx-pub" and is_cron(each))
    cron["spec"] |= {"schedules": ["2 12 * * *"], "timezone": "UTC"}
    run_deploy(url, f"--file={written(tmp_path, cron)}")
    for minute in (1, 2, 3):
        clock.tick(noon.replace(minute=minute, second=0))
    assert started.count("fx-pub") == 1


def test_deploy__a_template_of_a_new_feed_is_created_and_played(player: Player, url: str, tmp_path: Path) -> None:
    template = next(each for each in deploy.render(["feeds"]) if each["metadata"]["name"] == "fx-verify")
    template["metadata"]["name"] = "gold-verify"
    done = run_deploy(url, f"--file={written(tmp_path, template)}")
    assert done.stdout.startswith("created       WorkflowTemplate  gold-verify")
    assert player.submit("gold-verify").template.name == "gold-verify"


@pytest.mark.parametrize(
    ("change", "status", "code", "said"),
    [
        (lambda found: found["metadata"].pop("resourceVersion"), 400, 3, "resourceVersion"),
        (lambda found: found["metadata"].update(resourceVersion="0"), 409, 6, "it changed"),  # somebody else was first
        (lambda found: found["metadata"].update(name="gold"), 400, 3, "give its name"),
        (lambda found: found["spec"].update(onExit="clean"), 400, 3, "spec.onExit is for a cluster"),
        (lambda found: found.pop("spec"), 400, 3, "this is no WorkflowTemplate"),
    ],
)
def test_update__is_refused_and_changes_nothing(
    player: Player, api: httpx.Client, change: Callable[[Document], object], status: int, code: int, said: str
) -> None:
    path = "/api/v1/workflow-templates/local/fx-sub"
    before = api.get(path).json()
    change(wrong := copy.deepcopy(before))
    answered = api.put(path, json={"template": wrong})
    assert (answered.status_code, answered.json()["code"], said in answered.json()["message"]) == (status, code, True)
    assert api.get(path).json() == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "workflow-templates/local/gold", 404),
        ("GET", "cron-workflows/elsewhere", 404),
        ("POST", "workflow-templates/local", 409),  # fx-sub is there
        ("PUT", "workflow-templates/local/gold", 404),
        ("PUT", "cron-workflows/local/gold", 404),
        ("POST", "workflow-templates/local/fx-sub/lint", 501),
    ],
)
def test_objects__other_calls_are_refused(api: httpx.Client, method: str, path: str, status: int) -> None:
    found = api.get("/api/v1/workflow-templates/local/fx-sub").json()
    answered = api.request(method, f"/api/v1/{path}", json={"template": found, "cronWorkflow": found})
    assert answered.status_code == status, answered.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schedules": ["61 * * * *"]}, "is no schedule"),
        ({"timezone": "Mars/Olympus"}, "this is no CronWorkflow"),
        ({"workflowSpec": {"workflowTemplateRef": {"name": "gold-pub"}}}, "gold-pub, which is not here"),
    ],
)
def test_cron__that_could_never_start_anything_is_refused(
    player: Player, api: httpx.Client, change: Document, said: str
) -> None:
    path = "/api/v1/cron-workflows/local/fx-pub"
    wrong = api.get(path).json()
    wrong["spec"] |= change
    answered = api.put(path, json={"cronWorkflow": wrong})
    assert (answered.status_code, said in answered.json()["message"]) == (400, True)
    assert player.objects.crons["fx-pub"].template == "fx-pub"


def undo(player: Player) -> None:
    """Put fx-verify back, as it is rendered."""
    there = player.objects.get("WorkflowTemplate", "fx-verify")
    rendered = next(each for each in deploy.render(["feeds"]) if each["metadata"]["name"] == "fx-verify")
    version = {"resourceVersion": there["metadata"]["resourceVersion"]}
    player.objects.update(
        "WorkflowTemplate", "fx-verify", {**rendered, "metadata": {**rendered["metadata"], **version}}
    )


def is_cron(document: Document) -> bool:
    return bool(document["kind"] == "CronWorkflow")


def written(folder: Path, document: Document) -> Path:
    file = folder / "deployed.yaml"
    file.write_text(json.dumps(document))
    return file
