"""What `feedfall deploy` says of the controller's `templateReferencing`, by what kubectl answers."""

import json
from pathlib import Path

import pytest

from operate import controller


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        ({"workflowRestrictions": "templateReferencing: Strict\n"}, "Strict"),
        ({"workflowRestrictions": '{"templateReferencing": "Secure"}'}, "Secure"),  # stricter still
        ({"config": "workflowRestrictions:\n  templateReferencing: Strict\n"}, "Strict"),  # one key for all
        ({"config": "parallelism: 3\n"}, ""),
        ({"config": ""}, ""),
        ({"workflowRestrictions": "{}"}, ""),
        ({"executor": "{}"}, ""),
        ({}, ""),
    ],
)
def test_template_referencing__is_read_in_each_form(data: dict[str, str], mode: str) -> None:
    assert controller.template_referencing(data) == mode


def fake_kubectl(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl = folder / "kubectl"
    kubectl.write_text(f"#!/bin/sh\n{script}\n")
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    ("data", "begins"),
    [
        ({"workflowRestrictions": "templateReferencing: Strict"}, "templateReferencing is Strict (bank/own, "),
        ({}, "WARNING: templateReferencing is not set (bank/own, "),
        ({"workflowRestrictions": "templateReferencing: strict"}, "WARNING: templateReferencing is strict ("),  # a typo
        ({"workflowRestrictions": "Strict"}, "WARNING: templateReferencing was NOT CHECKED: workflowRestrictions is"),
        ({"workflowRestrictions": "{"}, "WARNING: templateReferencing was NOT CHECKED: "),
    ],
)
def test_check__warns_unless_it_saw_strict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: dict[str, str], begins: str
) -> None:
    fake_kubectl(tmp_path, f"echo '{json.dumps({'data': data})}'", monkeypatch)
    assert controller.check("bank/own").startswith(begins)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'Error from server (Forbidden): configmaps is forbidden' >&2; exit 1", "configmaps is forbidden"),
        ("echo >&2; exit 1", "kubectl gave no reason"),
        ("echo no-json", "Expecting value"),
    ],
)
def test_check__says_not_checked_where_kubectl_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    fake_kubectl(tmp_path, script, monkeypatch)
    words = controller.check()
    assert words.startswith("WARNING: templateReferencing was NOT CHECKED: ")
    assert reason in words
    assert "kubectl -n argo get configmap workflow-controller-configmap" in words  # how a person looks


def test_check__says_what_a_place_looks_like() -> None:
    assert "'argo' is not NAMESPACE/NAME" in controller.check("argo")
