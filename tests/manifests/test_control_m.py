"""deploy/control-m: the form is BMC's, each command line reaches `feedfall` as it was meant, and each rule is right."""

from __future__ import annotations

import copy
import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cli.commands import find
from steps.run.exits import Exit
from workflows import control_m

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCHEMA = Draft202012Validator(json.loads((HERE / "control_m.schema.json").read_text()))
FILES = sorted(control_m.files())

#: Of a folder and a job: every other member is a job, or a rule.
FOLDER = {"Type", "ControlmServer", "RunAs", "OrderMethod", "Application", "When"}
JOB = {"Type", "Description", "Command", "Variables", "RerunLimit", "Host"}


def definitions(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / name).read_text())
    return found


def jobs() -> dict[str, dict[str, Any]]:
    """Every job, by its name."""
    folders = [folder for name in FILES for folder in definitions(name).values()]
    return {name: job for folder in folders for name, job in folder.items() if name not in FOLDER}


def rules(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a job does, by the exit code or the text."""
    found = [rule for name, rule in job.items() if name not in JOB]
    return {rule.get("CompletionStatus") or rule["Code"]: rule for rule in found}


def resolved(job: dict[str, Any], given: dict[str, str], date: str = "20261030") -> str:
    """The command line as Control-M hands it to the agent's shell: variables are replaced as text."""
    values = {name: value for each in job["Variables"] for name, value in each.items()} | given

    def value(found: re.Match[str]) -> str:
        return {"$ODATE": date, "ORDERID": "0a1b2"}.get(found[1]) or values[found[1]]

    once = re.sub(r"%%(\$?[A-Z][A-Z0-9_]*)", value, job["Command"])
    return re.sub(r"%%(\$?[A-Z][A-Z0-9_]*)", value, once)  # a value may name a variable itself


@pytest.mark.parametrize("name", FILES)
def test_definitions__have_the_form_that_bmc_documents(name: str) -> None:
    assert [f"{each.json_path}: {each.message}" for each in SCHEMA.iter_errors(definitions(name))] == []


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("submit", "Comand"), "echo"),  # a property that BMC does not know is taken for a rule, and is none
        (("submit", "Command"), ["feedfall", "submit"]),  # one text, no list
        (("submit", "Command"), "feedfall submit\nrm -r x"),  # one line
        (("submit", "Type"), "Job:Script"),  # that has a FileName, no Command
        (("submit", "Variables"), {"FEED": "fx"}),  # a list of pairs
        (("submit", "Variables"), [{"FEED": "fx", "BY": "kim"}]),  # one pair each
        (("submit", "Variables"), [{"%%FEED": "fx"}]),  # a name is written without %%
        (("submit", "RerunLimit", "Times"), 3),  # text
        (("submit", "RerunLimit", "Unit"), "Minutes"),  # Units
        (("submit", "Exit75", "CompletionStatus"), 75),  # text
        (("submit", "Exit75", "CompletionStatus"), "ODD"),  # 137 and 143 are odd
        (("submit", "Exit75", "CompletionStatus"), "EVEN"),  # 0 is even
        (("submit", "Exit75", "CompletionStatus"), ">0"),  # and so is a killed job's
        (("submit", "Exit75", "CompletionStatus"), "256"),  # no exit code
        (("submit", "Exit75", "DoRerun", "Type"), "Action:ReRun"),
        (("submit", "Exit75", "DoRerun", "Times"), "3"),  # RerunLimit has it
        (("submit", "Exit77", "DoNotify", "Destination"), "Alert"),
        (("submit", "Exit77", "DoNotify", "Urgency"), "High"),
        (("submit", "ResultHeld", "Code"), "RESULT status=HELD"),  # it would have to be the whole line
        (("submit", "ResultHeld", "Code"), "*보류*"),  # not with Hangul before the end
        (("OrderMethod",), "Sometimes"),
        (("When", "FromTime"), "2460"),
        (("When", "WeekDays"), ["MONDAY"]),
    ],
)
def test_schema__refuses_what_bmc_does_not_document(where: tuple[str, ...], value: object) -> None:
    changed = copy.deepcopy(definitions("deploy/control-m/feed.json"))
    node = changed["FEEDFALL-FX"]
    for name in where[:-1]:
        node = node[name]
    node[where[-1]] = value
    assert list(SCHEMA.iter_errors(changed))


@pytest.mark.parametrize("missing", ["Type", "Command", "Host"])
def test_schema__refuses_a_job_without(missing: str) -> None:
    changed = definitions("deploy/control-m/feed.json")
    del changed["FEEDFALL-FX"]["submit"][missing]
    assert list(SCHEMA.iter_errors(changed))


def test_jobs__are_the_verbs() -> None:
    assert set(jobs()) == {
        *("submit", "rerun", "hold", "free", "kill", "kill-and-hold"),
        *("accept", "accept-break-glass", "approve"),
    }


#: What a person typed: spaces, Hangul, what a shell would obey inside double quotes, and what it would cut at.
HOSTILE = '환율 "정정" $(touch pwned) `touch pwned` $HOME; rm -r x & | > y \\ *'
REASON, BY = ["--reason", HOSTILE], ["--by", "control-m 0a1b2"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("submit", ["submit", "fx", "--date", "20261030", *BY, "--wait", "--timeout", "2h"]),
        ("rerun", ["submit", "fx", "--date", "20261030", "--rerun", *REASON, *BY, "--wait", "--timeout", "2h"]),
        ("hold", ["hold", "fx", *REASON, *BY]),
        ("free", ["free", "fx", *REASON, *BY]),
        ("kill", ["kill", "fx-sub-x1", *REASON, *BY]),
        ("kill-and-hold", ["kill", "fx-sub-x1", "--and-hold", *REASON, *BY]),
        ("accept", ["accept", "fx", "--date", "20261030", *REASON, *BY]),
        (
            "accept-break-glass",
            ["accept", "fx", "--date", "20261030", *REASON, *BY, "--break-glass", "--ticket", "INC-1 긴급"],
        ),
        ("approve", ["approve", "7", *REASON, *BY]),
    ],
)
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_command__reaches_feedfall_word_for_word(tmp_path: Path, shell: str, name: str, words: list[str]) -> None:
    given = {"REASON": HOSTILE, "NAME": "fx-sub-x1", "TICKET": "INC-1 긴급", "APPROVAL": "7"}
    assert run(tmp_path, resolved(jobs()[name], given), shell=shell) == (0, words)
    assert not (tmp_path / "pwned").exists()


def test_command__of_an_apostrophe_is_refused_by_the_shell(tmp_path: Path) -> None:
    code, words = run(tmp_path, resolved(jobs()["hold"], {"REASON": "the partner's file"}))
    assert (code, words) == (2, None)


@pytest.mark.parametrize("code", [0, 75, 77, 82, 143])
def test_command__hands_on_the_exit_code(tmp_path: Path, code: int) -> None:
    assert run(tmp_path, resolved(jobs()["submit"], {}), code=code)[0] == code


def run(folder: Path, line: str, *, shell: str = "sh", code: int = 0) -> tuple[int, list[str] | None]:
    """Run a line as an agent does, with a `feedfall` that writes down its words: the exit code, and the words."""
    fake, written = folder / "feedfall", folder / "words"
    fake.write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" > {written}\nexit {code}\n')
    fake.chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run([shell, "-c", line], env=environment, cwd=folder, capture_output=True, check=False)
    return done.returncode, written.read_text().split("\0")[:-1] if written.exists() else None


@pytest.mark.parametrize("name", sorted(jobs()))
def test_command__is_one_that_feedfall_takes(name: str) -> None:
    given = {"REASON": "late", "NAME": "fx-sub-x1", "TICKET": "INC-1", "APPROVAL": "7"}
    _, _, verb, *words = shlex.split(resolved(jobs()[name], given))
    assert find(verb).make_context(verb, words).params  # raises for what the command does not have


@pytest.mark.parametrize("name", sorted(jobs()))
def test_rules__start_again_on_75_alone_and_never_what_counts_up(name: str) -> None:
    job = jobs()[name]
    again = [code for code, rule in rules(job).items() if "DoRerun" in rule]
    assert again == ([] if name == "rerun" else ["75"])
    assert ("RerunLimit" in job) == bool(again)
    assert job.get("RerunLimit", {}).get("Times") in (None, "3")


@pytest.mark.parametrize("name", sorted(jobs()))
def test_rules__say_each_exit_code_to_a_person(name: str) -> None:
    every = {str(int(each)) for each in Exit if each is not Exit.OK}
    of_rows = {"65", "69", "81", "82", "83"}
    codes = {code for code in rules(jobs()[name]) if code.isdigit()}
    assert every - codes == (set() if name in ("submit", "rerun") else of_rows)
    assert all("DoNotify" in rule for rule in rules(jobs()[name]).values())


@pytest.mark.parametrize("name", sorted(jobs()))
def test_rules__name_only_variables_that_the_job_has(name: str) -> None:
    job = jobs()[name]
    has = {each for pair in job["Variables"] for each in pair} | {"JOBNAME", "ORDERID", "$ODATE"}
    assert set(re.findall(r"%%(\$?[A-Z]+)", json.dumps(job))) <= has
