"""The examples for schedulers: their form is what GitHub and GitLab accept, and their commands are ours."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.commands import find
from operate import controller

FOLDER = Path(__file__).parents[2] / "deploy" / "ci"
EXAMPLES = {"github-actions.yaml": "github-workflows", "gitlab-ci.yaml": "gitlab-ci"}
FILES = [*EXAMPLES, "control-m.sh"]


@pytest.mark.parametrize(("name", "schema"), EXAMPLES.items())
def test_example__has_the_form_of_its_schema(name: str, schema: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(FOLDER / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", FILES)
def test_example__gives_only_options_that_exist(name: str) -> None:
    used = 0
    for command, words in orders((FOLDER / name).read_text()):
        own = find(command)
        known = {form for each in own.params for form in each.opts}
        assert {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)} <= known
        used += 1
    assert used


def test_control_m__hands_over_to_one_command() -> None:
    done = subprocess.run(
        [FOLDER / "control-m.sh", "fx", "20261030"],
        env={"FEEDFALL": "echo"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "submit fx --date 20261030 --wait --timeout 2h\n"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def roles(name: str) -> dict[str, dict[str, set[str]]]:
    """Account → resource → verbs, of the Roles of a file."""
    return {
        each["metadata"]["name"]: {
            resource: set(rule["verbs"]) for rule in each["rules"] for resource in rule["resources"]
        }
        for each in documents(name)
        if each["kind"] == "Role"
    }


def test_rights__are_two_accounts_in_one_namespace() -> None:
    kinds = [(each["kind"], each["metadata"]["name"]) for each in documents("rights.yaml")]
    own = ("ServiceAccount", "Role", "RoleBinding")
    assert kinds == [(kind, account) for account in ("feedfall-submit", "feedfall-deploy") for kind in own]
    for each in documents("rights.yaml"):
        if each["kind"] == "RoleBinding":
            name = each["metadata"]["name"]
            assert (each["roleRef"]["name"], each["subjects"]) == (name, [{"kind": "ServiceAccount", "name": name}])


def test_rights__to_submit_are_to_start_read_and_stop() -> None:
    assert roles("rights.yaml")["feedfall-submit"] == {
        "workflows": {"create", "get", "list", "patch", "watch"},
        "pods": {"get", "list", "watch"},
        "pods/log": {"get"},
    }


def test_rights__to_deploy_are_templates_and_crons() -> None:
    verbs = {"create", "get", "list", "update"}
    assert roles("rights.yaml")["feedfall-deploy"] == {"workflowtemplates": verbs, "cronworkflows": verbs}


def test_rights__on_the_controllers_settings_are_to_read_one_configmap() -> None:
    role, binding = documents("controller.yaml")
    namespace, _, name = controller.CONFIG.partition("/")
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == namespace
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [name], "verbs": ["get"]}
    ]


@pytest.mark.parametrize(("name", "start"), [("github-actions.yaml", "uses:"), ("gitlab-ci.yaml", "image:")])
def test_example__pins_what_it_fetches_by_a_full_version_or_a_commit(name: str, start: str) -> None:
    fetched = re.findall(rf"^ *(?:- )?{start} (\S+)", (FOLDER / name).read_text(), re.MULTILINE)
    assert fetched
    for each in fetched:
        assert re.search(r"(@v\d+\.\d+\.\d+|@[0-9a-f]{40}|:\d+\.\d+\.\d+[a-z-]*|@sha256:[0-9a-f]{64})$", each), each


def test_example__gives_each_job_the_token_of_its_own_account() -> None:
    github = yaml.safe_load((FOLDER / "github-actions.yaml").read_text())
    deploy, submit = github["jobs"]["deploy"], github["jobs"]["fx"]
    assert "ARGO_TOKEN" not in github["env"]
    assert "ARGO_DEPLOY_TOKEN" in deploy["env"]["ARGO_TOKEN"]
    assert "ARGO_SUBMIT_TOKEN" in submit["steps"][-1]["env"]["ARGO_TOKEN"]
    gitlab = yaml.safe_load((FOLDER / "gitlab-ci.yaml").read_text())
    assert {name: gitlab[name]["variables"]["ARGO_TOKEN"] for name in ("deploy", "fx")} == {
        "deploy": "$ARGO_DEPLOY_TOKEN",
        "fx": "$ARGO_SUBMIT_TOKEN",
    }


def orders(text: str) -> list[tuple[str, list[str]]]:
    """Each `feedfall <command> …` of a script, `set -- submit …` included."""
    found = re.findall(r'(?:feedfall|set --|\}") (submit|deploy) (.*)', text)
    more = re.findall(r'set -- "\$@" (.*?); fi', text)
    return [(command, shlex.split(words)) for command, words in found] + [("submit", shlex.split(w)) for w in more]


def scheduled(folder: Path, script: str, **more: str) -> subprocess.Popen[str]:
    """`scheduler.sh hold fx` with a feedfall of this script, which writes a line a call into `calls`."""
    fake = folder / "feedfall"
    fake.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n{script}\n')
    fake.chmod(0o755)
    command = ["sh", FOLDER / "scheduler.sh", "hold", "fx", "--reason", "대외기관 장애"]
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "FEEDFALL_PAUSE": "0", **more}
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("codes", "code", "calls"),
    [
        ([0], 0, 1),
        ([77], 77, 1),  # nothing but 75 is run again
        ([143], 143, 1),  # killed
        ([75, 0], 0, 2),
        ([75, 75, 75, 0], 0, 4),
        ([75, 75, 75, 75], 75, 4),  # three times more, and no further
    ],
)
def test_scheduler__runs_75_again_three_times(tmp_path: Path, codes: list[int], code: int, calls: int) -> None:
    exits = " ".join(str(each) for each in codes)
    script = f'set -- {exits}; shift $(($(wc -l < {tmp_path}/calls) - 1)); exit "$1"'
    with scheduled(tmp_path, script) as process:
        assert process.wait(20) == code
    assert (tmp_path / "calls").read_text() == "hold fx --reason 대외기관 장애\n" * calls


def test_scheduler__hands_a_signal_to_the_command_and_waits_for_it(tmp_path: Path) -> None:
    script = "trap 'echo stopped; exit 143' TERM; echo up; while :; do sleep 0.1; done"
    with scheduled(tmp_path, script) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert (process.wait(20), process.stdout.read()) == (143, "stopped\n")


def test_scheduler__ends_when_it_is_stopped_between_two_runs(tmp_path: Path) -> None:
    with scheduled(tmp_path, "echo up; exit 75", FEEDFALL_PAUSE="60") as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.wait(20) == 143
