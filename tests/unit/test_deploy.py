"""`feedfall deploy`, through Hera's own service, against a server that keeps documents as Argo's does."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cli.__main__ import main
from operate import deploy
from steps.run.exits import Misconfigured

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.filterwarnings("ignore:The `json` method is deprecated")  # Hera's own
TOKEN = "sesame"  # noqa: S105 -- opens nothing


class Server(ThreadingHTTPServer):
    """What an Argo Server does with templates: it fills in empty fields, numbers versions, and refuses a stale one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.kept: dict[str, dict[str, Any]] = {}
        self.writes: list[str] = []

    def keep(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        document = copy.deepcopy(document)
        document["metadata"] |= {"resourceVersion": str(len(self.writes)), "uid": "u"}
        document["metadata"].setdefault("labels", {})["workflows.argoproj.io/creator"] = "ci"
        document["spec"].setdefault("arguments", {})
        for template in document["spec"].get("templates", []):
            template |= {"inputs": {}, "outputs": {}, "metadata": {}}
        self.kept[path] = document
        return document


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer(401, {"code": 16, "message": "token not valid"})
        elif path.count("/") == 4:
            self.answer(200, {"metadata": {}, "items": [d for p, d in self.server.kept.items() if p.startswith(path)]})
        elif path in self.server.kept:
            self.answer(200, self.server.kept[path])
        else:
            self.answer(404, {"code": 5, "message": "not found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        document = body.get("template") or body["cronWorkflow"]
        name = document["metadata"]["name"]
        path = self.path if self.command == "PUT" else f"{self.path}/{name}"
        self.server.writes.append(f"{self.command} {name}")
        if self.command == "PUT":
            assert document["metadata"]["resourceVersion"] == self.server.kept[path]["metadata"]["resourceVersion"]
        self.answer(200, self.server.keep(path, document))

    do_PUT = do_POST  # noqa: N815 -- http.server's name

    def answer(self, status: int, found: dict[str, Any]) -> None:
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


Deploy = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_deploy(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Deploy:
    """The command, in this process, for Hera takes a second to import. `path`: where kubectl is; nowhere, if absent."""

    def run(*words: str, path: str | Path = "") -> subprocess.CompletedProcess[str]:
        for name in list(os.environ):
            monkeypatch.delenv(name)
        for name, value in environment(server, TOKEN, path).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["feedfall", "deploy", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        print(printed.out, printed.err)
        return subprocess.CompletedProcess(list(words), int(ended.value.code or 0), printed.out, printed.err)

    return run


def environment(server: Server, token: str, path: str | Path = "") -> dict[str, str]:
    argo = {"ARGO_SERVER": f"http://127.0.0.1:{server.server_port}", "ARGO_NAMESPACE": "bank", "ARGO_TOKEN": token}
    return {**argo, "NO_PROXY": "*", "PATH": str(path)}


def verbs(done: subprocess.CompletedProcess[str]) -> set[str]:
    lines = [line for line in done.stdout.splitlines()[:-1] if not line.startswith(" ")]
    return {line[:14].strip() for line in lines}


def test_deploy__creates_then_changes_nothing_then_only_what_differs(server: Server, run_deploy: Deploy) -> None:
    assert verbs(run_deploy("--dry-run")) == {"would create"}
    assert server.writes == []
    first = run_deploy()
    assert (first.returncode, verbs(first)) == (0, {"created"})
    assert "POST fx-pub" in server.writes
    server.writes.clear()
    assert verbs(run_deploy()) == {"unchanged"}
    newer = run_deploy("--image=registry.bank/feedfall:2")
    assert verbs(newer) == {"changed", "unchanged"}  # crons have no image
    assert 'container.image: "ghcr.io/feedfall/feedfall:0.1.0" -> "registry.bank/feedfall:2"' in newer.stdout
    assert {write.split()[0] for write in server.writes} == {"PUT"}
    kept = server.kept["/api/v1/workflow-templates/bank/fx-sub"]
    assert kept["spec"]["templates"][0]["container"]["image"] == "registry.bank/feedfall:2"
    assert kept["metadata"]["labels"]["workflows.argoproj.io/creator"] == "ci"


def test_deploy__takes_what_an_overlay_made_and_names_what_is_left(run_deploy: Deploy, tmp_path: Path) -> None:
    run_deploy()
    every = [*deploy.render(["feeds"]), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}]
    some = [each for each in every if each["metadata"]["name"] != "fx-verify"]
    file = tmp_path / "all.yaml"
    file.write_text("---\n".join(json.dumps(each) + "\n" for each in some))
    done = run_deploy(f"--file={file}")
    assert verbs(done) == {"unchanged", "left alone"}
    assert ("fx-verify" in done.stdout, "Skipped: ConfigMap" in done.stderr) == (True, True)


def test_deploy__without_a_right_is_78(server: Server) -> None:
    """As a process of its own, as CI runs it."""
    command = [sys.executable, "-m", "cli", "deploy"]
    refused = subprocess.run(
        command, env=environment(server, "wrong"), capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (refused.returncode, "token not valid" in refused.stderr) == (78, True)


def test_deploy__where_nobody_answers_is_75(server: Server, run_deploy: Deploy) -> None:
    server.server_port = 9
    assert run_deploy("--patience=0s").returncode == 75


def test_deploy__warns_where_the_controllers_setting_cannot_be_read(run_deploy: Deploy) -> None:
    done = run_deploy("--dry-run")
    assert "WARNING: templateReferencing was NOT CHECKED: no kubectl on the PATH" in done.stderr
    assert done.returncode == 0  # a warning: a CI job may lack the right to look


@pytest.mark.parametrize(("mode", "words"), [("Strict", "templateReferencing is Strict"), ("", "WARNING: template")])
def test_deploy__checks_the_controllers_setting_with_kubectl(
    run_deploy: Deploy, tmp_path: Path, mode: str, words: str
) -> None:
    body = json.dumps({"data": {"workflowRestrictions": f'{{"templateReferencing": "{mode}"}}'}})
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"""#!/bin/sh\nif [ "$1" = config ]; then echo bank; else echo '{body}'; fi\n""")
    kubectl.chmod(0o755)
    done = run_deploy("--dry-run", path=tmp_path)
    assert words in done.stderr
    assert "argo/workflow-controller-configmap, read with kubectl's context bank" in done.stderr


def test_select__refuses_what_hera_would_drop() -> None:
    [sub] = [each for each in deploy.render(["feeds"]) if each["metadata"]["name"] == "fx-sub"]
    sub["spec"]["hibernate"] = True
    with pytest.raises(Misconfigured, match=r"this Hera does not know spec\.hibernate"):
        deploy.select([sub])


@pytest.mark.parametrize(
    ("wanted", "present", "expected"),
    [
        ({"a": 1}, {"a": 1, "inputs": {}, "list": [], "text": "", "no": None}, []),  # a server's own emptiness
        ({"a": 1}, {"a": 2}, ["a: 2 -> 1"]),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}, ["a.b[0].c: 2 -> 1"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a: [1] -> [1, 2]"]),
        ({}, {"a": {"b": "x"}}, ['a.b: "x" -> nothing']),  # what was taken out must go
        ({"a": {"b": 1}}, {}, ["a.b: nothing -> 1"]),
        ({"a": False}, {"a": True}, ["a: true -> false"]),
    ],
)
def test_changes__are_what_an_update_would_do(wanted: object, present: object, expected: list[str]) -> None:
    assert list(deploy.changes(wanted, present)) == expected
