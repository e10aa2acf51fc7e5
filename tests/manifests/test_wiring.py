"""What the manifests say fits together, and fits the code that the pods run. The YAML is read, not the Python."""

import dataclasses
import json
import re
from datetime import time
from typing import Any

import pytest
import yaml

from catalog import Feed, find
from catalog.feed import Policy
from catalog.script import Script
from steps import __main__ as steps
from steps.run.exits import RETRIED
from workflows import KUSTOMIZATION, manifests, pod, pub, script

Specs = dict[str, dict[str, Any]]
Documents = dict[str, list[dict[str, Any]]]

ALLOWED_UNDER_STRICT = {"arguments", "workflowTemplateRef"}


@pytest.fixture
def fx() -> Feed:
    return find.load("fx")


def test_templates__are_one_a_stage(templates: Specs) -> None:
    assert list(templates) == ["fx-pub", "fx-relay", "fx-sub", "fx-release", "fx-verify", "feedfall-sweep"]


def test_templates__have_no_relay_where_another_team_answers(fx: Feed) -> None:
    files = manifests([dataclasses.replace(fx, partner=None, bell="response")])
    assert [name for name in files if "relay" in name] == []


def test_templates__have_no_release_where_rows_have_no_base_date() -> None:
    files = manifests([find.load("tick", ["sample_feeds"])])
    assert [name for name in files if "release" in name] == []


def test_template__holds_one_container_and_nothing_beside_it(templates: Specs) -> None:
    for spec in templates.values():
        (step,) = spec["templates"]
        assert step["name"] == spec["entrypoint"]
        assert {"container"} == set(step) & {"container", "script", "dag", "steps", "containerSet", "resource", "http"}
        assert not set(step) & {"initContainers", "sidecars", "inputs", "outputs", "synchronization"}


def test_container__is_started_without_a_shell(templates: Specs) -> None:
    for step in _steps(templates):
        assert step["container"]["command"] == ["python", "-m", "steps", step["name"]]


def test_parameters__that_are_used_exist(templates: Specs) -> None:
    for spec in templates.values():
        assert set(re.findall(r"{{workflow\.parameters\.([^}]+)}}", json.dumps(spec))) == set(_defaults(spec))


def test_parameters__hold_only_what_a_person_or_the_sweep_chose(templates: Specs) -> None:
    for spec in templates.values():
        for parameter in _parameters(spec):
            assert parameter["description"]
            assert parameter["value"] in parameter.get("enum", [parameter["value"]])


def test_parameters__of_pub_are_its_form(templates: Specs) -> None:
    form = {"base-date": "", "seq": "1", "from": "", "to": "", "policy": "DoNotOrder"}
    assert _defaults(templates["fx-pub"]) == form


def test_parameters__offer_every_policy(templates: Specs) -> None:
    offered = {parameter["name"]: parameter.get("enum") for parameter in _parameters(templates["fx-pub"])}
    assert offered["policy"] == [policy.value for policy in Policy]


def test_variables__are_only_what_argo_fills_in(templates: Specs) -> None:
    used = set(re.findall(r"{{(.*?)}}", json.dumps(templates)))
    assert {name for name in used if not name.startswith("workflow.parameters.")} == {
        "workflow.uid",
        "workflow.name",
        "workflow.namespace",
    }


def test_arguments__are_understood_by_the_steps_own_parser(templates: Specs) -> None:
    for spec in templates.values():
        (step,) = spec["templates"]
        steps.parser().parse_args([*step["container"]["command"][3:], *_filled(spec, step)])


def test_retry__is_on_the_codes_that_steps_call_transient(templates: Specs) -> None:
    for step in _steps(templates, but="sweep"):
        strategy = step["retryStrategy"]
        assert {int(code) for code in re.findall(r"'(-?\d+)'", strategy["expression"])} == set(RETRIED)
        assert "retryPolicy" not in strategy


def test_retry__expression_is_the_one_of_the_design(templates: Specs) -> None:
    (step,) = templates["fx-sub"]["templates"]
    expected = "lastRetry.status == 'Error' || lastRetry.exitCode in ['75','137','143','-1']"
    assert step["retryStrategy"]["expression"] == expected


def test_retry__of_the_sweep_is_the_next_minute(templates: Specs) -> None:
    (step,) = templates["feedfall-sweep"]["templates"]
    assert "retryStrategy" not in step


def test_deadline__is_above_a_runs_own_thirty_minutes(templates: Specs) -> None:
    for step in _steps(templates, but="sweep"):
        assert step["activeDeadlineSeconds"] > 30 * 60


def test_deadline__of_the_sweep_and_its_grace_end_before_the_next(templates: Specs) -> None:
    spec = templates["feedfall-sweep"]
    (step,) = spec["templates"]
    assert spec["activeDeadlineSeconds"] == step["activeDeadlineSeconds"] == 50
    assert 50 + json.loads(step["podSpecPatch"])["terminationGracePeriodSeconds"] < 60


def test_pod__has_a_minute_to_stop_and_no_service_variables(templates: Specs) -> None:
    for step in _steps(templates, but="sweep"):
        assert json.loads(step["podSpecPatch"]) == {"terminationGracePeriodSeconds": 60, "enableServiceLinks": False}


def test_pod__is_cleaned_up(templates: Specs) -> None:
    for spec in templates.values():
        assert spec["podGC"]["strategy"] == "OnPodSuccess"
        assert set(spec["ttlStrategy"]) == {"secondsAfterSuccess", "secondsAfterFailure"}


def test_container__is_locked_down(templates: Specs) -> None:
    for step in _steps(templates):
        assert step["container"]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert step["securityContext"]["runAsNonRoot"]
        assert step["securityContext"]["runAsUser"] > 0
        assert step["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_container__writes_to_tmp_only(templates: Specs) -> None:
    for step in _steps(templates):
        assert step["container"]["volumeMounts"] == [{"mountPath": "/tmp", "name": "tmp"}]  # noqa: S108 -- an emptyDir
        assert step["volumes"] == [{"emptyDir": {"sizeLimit": "64Mi"}, "name": "tmp"}]


def test_container__asks_for_resources(templates: Specs) -> None:
    for step in _steps(templates):
        amounts = {key: set(value) for key, value in step["container"]["resources"].items()}
        assert amounts == {"limits": {"cpu", "memory"}, "requests": {"cpu", "memory"}}


def test_environment__is_the_same_for_every_pod(templates: Specs) -> None:
    names = ["DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "WORKFLOW_UID", "WORKFLOW_NAME"]
    for step in _steps(templates, but="sweep"):
        assert [variable["name"] for variable in step["container"]["env"]] == names
    (sweep,) = templates["feedfall-sweep"]["templates"]
    assert [found["name"] for found in sweep["container"]["env"]] == [*names, "ARGO_SERVER", "ARGO_NAMESPACE"]


def test_environment__names_no_secret_value(templates: Specs) -> None:
    for step in _steps(templates):
        database = step["container"]["env"][0]
        assert database["valueFrom"] == {"secretKeyRef": {"key": "database-url", "name": "feedfall"}}


def test_environment__gives_the_partners_secret_to_relay_alone(templates: Specs) -> None:
    holders = [step["name"] for step in _steps(templates) if "feedfall-partners" in json.dumps(step)]
    assert holders == ["relay"]


def test_environment__from_settings_is_optional(templates: Specs) -> None:
    for step in _steps(templates):
        for source in step["container"]["envFrom"]:
            (reference,) = source.values()
            assert reference["optional"] is True


def test_labels__say_feed_and_stage_on_workflow_and_pod(templates: Specs) -> None:
    for name, spec in templates.items():
        labels = spec["workflowMetadata"]["labels"]
        assert spec["podMetadata"]["labels"] == labels
        assert labels["app.kubernetes.io/part-of"] == "feedfall"
        assert name == f"{labels.get('feedfall/feed', 'feedfall')}-{labels['feedfall/stage']}"


def test_crons__refer_to_templates_that_exist(crons: Specs, templates: Specs) -> None:
    assert {spec["workflowSpec"]["workflowTemplateRef"]["name"] for spec in crons.values()} <= set(templates)


def test_crons__set_nothing_that_strict_template_referencing_refuses(crons: Specs) -> None:
    for spec in crons.values():
        assert set(spec["workflowSpec"]) <= ALLOWED_UNDER_STRICT


def test_crons__never_run_twice_at_once(crons: Specs) -> None:
    assert {spec["concurrencyPolicy"] for spec in crons.values()} == {"Forbid"}


def test_crons__tick_in_the_feeds_zone(crons: Specs) -> None:
    clocks = {name: (spec["schedules"], spec.get("timezone")) for name, spec in crons.items()}
    assert clocks == {
        "fx-pub": (["5 16 * * *"], "Europe/Brussels"),
        "fx-verify": (["0 3 * * *"], "Europe/Brussels"),
        "feedfall-sweep": (["* * * * *"], None),
    }


def test_cron__of_pub_uses_due_where_no_order_is_given(fx: Feed) -> None:
    assert pub.cron(dataclasses.replace(fx, order=None, due=time(7, 30))).schedules == ["30 7 * * *"]


@pytest.mark.parametrize(
    ("at", "seconds"),
    [
        (time(16, 5), 28_500),
        (time(23, 59), 60),  # a minute is left of the day
        (time(0, 0), 86_400),
    ],
)
def test_cron__catches_a_missed_start_up_until_midnight(at: time, seconds: int) -> None:
    assert pod.until_midnight(at) == seconds


def test_script__that_is_keyed_takes_a_run_key(fx: Feed) -> None:
    document = script.template(Script(fx, "report", "A report", args=("--format=csv",), keyed=True)).to_dict()
    assert document["spec"]["templates"][0]["container"]["args"] == [
        "--feed=fx",
        "--base-date={{workflow.parameters.base-date}}",
        "--seq={{workflow.parameters.seq}}",
        "--format=csv",
    ]
    assert _defaults(document["spec"]) == {"base-date": "", "seq": "1"}


def test_script__without_a_time_has_no_clock(fx: Feed) -> None:
    assert script.cron(Script(fx, "report", "A report")) is None


def test_accounts__that_are_used_have_rights(templates: Specs, rendered: Documents) -> None:
    granted = {found["metadata"]["name"] for found in rendered["rights.yaml"] if found["kind"] == "ServiceAccount"}
    used = {spec["serviceAccountName"] for spec in templates.values()}
    assert used | {step["serviceAccountName"] for step in _steps(templates)} == granted


def test_rights__are_the_least_that_work(rendered: Documents) -> None:
    report = {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}
    submit = {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["create"]}
    rules = {found["metadata"]["name"]: found["rules"] for found in rendered["rights.yaml"] if found["kind"] == "Role"}
    assert rules == {"feedfall-pod": [report], "feedfall-sweep": [report, submit]}


def test_rights__bind_each_account_to_the_role_of_its_name(rendered: Documents) -> None:
    for binding in (found for found in rendered["rights.yaml"] if found["kind"] == "RoleBinding"):
        name = binding["metadata"]["name"]
        assert binding["roleRef"]["name"] == name
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": name}]


def test_kustomization__lists_each_file(rendered: Documents) -> None:
    (kustomization,) = rendered[KUSTOMIZATION]
    assert [*kustomization["resources"], KUSTOMIZATION] == list(rendered)


def test_manifests__say_the_same_after_a_round_trip_through_yaml(rendered: Documents, fx: Feed) -> None:
    assert yaml.safe_load(yaml.safe_dump(manifests([fx]))) == rendered


def _steps(templates: Specs, but: str = "") -> list[dict[str, Any]]:
    return [step for spec in templates.values() for step in spec["templates"] if step["name"] != but]


def _parameters(spec: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = spec.get("arguments", {}).get("parameters", [])
    return found


def _defaults(spec: dict[str, Any]) -> dict[str, str]:
    return {parameter["name"]: parameter["value"] for parameter in _parameters(spec)}


def _filled(spec: dict[str, Any], step: dict[str, Any]) -> list[str]:
    """Return the arguments as Argo passes them when a person submits the form unchanged."""
    args: list[str] = step["container"].get("args", [])
    for name, value in _defaults(spec).items():
        args = [arg.replace(f"{{{{workflow.parameters.{name}}}}}", value) for arg in args]
    return args
