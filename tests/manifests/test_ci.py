"""The examples for schedulers: their form is what GitHub and GitLab accept, and their commands are ours."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from cli.__main__ import app

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
        own = get_command(app).commands[command]  # type: ignore[attr-defined]
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


def test_rights__are_of_one_namespace_and_reach_no_secret() -> None:
    documents = list(yaml.safe_load_all((FOLDER / "rights.yaml").read_text()))
    assert [each["kind"] for each in documents] == ["ServiceAccount", "Role", "RoleBinding"]
    rules: list[dict[str, Any]] = documents[1]["rules"]
    asked = {resource for rule in rules for resource in rule["resources"]}
    assert asked == {"workflows", "pods", "pods/log", "workflowtemplates", "cronworkflows"}
    assert not {verb for rule in rules for verb in rule["verbs"]} & {"*", "delete", "deletecollection"}


def orders(text: str) -> list[tuple[str, list[str]]]:
    """Each `feedfall <command> …` of a script, `set -- submit …` included."""
    found = re.findall(r'(?:feedfall|set --|\}") (submit|deploy) (.*)', text)
    more = re.findall(r'set -- "\$@" (.*?); fi', text)
    return [(command, shlex.split(words)) for command, words in found] + [("submit", shlex.split(w)) for w in more]
