"""The doorbell listens where the drains read, starts templates that exist, and passes nothing on but that it rang."""

import dataclasses
import json
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from catalog import Feed, find
from workflows import doorbell as made
from workflows import render, rights

Specs = dict[str, dict[str, Any]]


@pytest.fixture
def fx() -> Feed:
    return find.load("fx")


def outside(feed: Feed, **changed: Any) -> Feed:  # noqa: ANN401 -- fields of a feed
    return dataclasses.replace(feed, name="quote", partner=None, bell="response", **changed)


def test_builder__refuses_a_misspelt_field() -> None:
    with pytest.raises(TypeError, match="goup_name"):
        made.ConsumerGroup(goup_name="x")  # type: ignore[call-arg]


def test_builder__is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.Calendar(interval="2s").interval = "1s"  # type: ignore[misc]


def test_objects__are_one_of_each_for_all_feeds(doorbell: Specs) -> None:
    assert list(doorbell) == ["EventBus", "EventSource", "Sensor"]


def test_bus__loses_nothing_silently(doorbell: Specs) -> None:
    jetstream = doorbell["EventBus"]["jetstream"]
    stream = yaml.safe_load(jetstream["streamConfig"])
    assert (jetstream["replicas"], stream["replicas"], stream["retention"], stream["discard"]) == (3, 3, 1, 1)
    assert re.fullmatch(r"\d+\.\d+\.\d+", jetstream["version"])


def test_bus__takes_an_outside_message_of_the_largest_size(fx: Feed) -> None:
    assert made.payload(made.bells([fx])) == 8
    feed = outside(fx, max_message=16 * 2**20)
    assert made.payload(made.bells([fx, feed])) * 2**20 > feed.max_message * 4 / 3 + 2**20


def test_source__listens_to_requests_for_relay_and_bells_for_sub(doorbell: Specs) -> None:
    topics = {name: spec["topic"] for name, spec in doorbell["EventSource"]["kafka"].items()}
    assert topics == {"fx-relay": "fx.request", "fx-sub": "fx.bell"}


def test_source__listens_to_responses_that_another_team_publishes(fx: Feed) -> None:
    spec = made.to_manifest(made.source(made.bells([outside(fx)], "uat.")))
    assert {name: (found["topic"], found["jsonBody"]) for name, found in spec["kafka"].items()} == {
        "quote-sub": ("uat.quote.response", False)  # whatever they write, it rings
    }


def test_source__hears_committed_records_only_from_the_first_on_in_its_own_group(doorbell: Specs) -> None:
    groups = set()
    for spec in doorbell["EventSource"]["kafka"].values():
        assert yaml.safe_load(spec["config"]) == {"consumer": {"isolationLevel": 1}}
        assert spec["consumerGroup"]["oldest"]
        groups.add(spec["consumerGroup"]["groupName"])
    assert len(groups) == len(doorbell["EventSource"]["kafka"])


def test_source__filters_nothing(doorbell: Specs) -> None:
    assert "filter" not in json.dumps(doorbell)


def test_sensor__depends_on_what_the_source_has(doorbell: Specs) -> None:
    source = doorbell["EventSource"]
    wanted = {each["eventName"] for each in doorbell["Sensor"]["dependencies"]}
    assert wanted == set(source["kafka"]) | set(source["calendar"])


def test_sensor__gathers_what_comes_within_a_tick(doorbell: Specs) -> None:
    conditions = {each["template"]["name"]: each["template"]["conditions"] for each in doorbell["Sensor"]["triggers"]}
    assert conditions == {"fx-relay": "fx-relay && tick", "fx-sub": "fx-sub && tick"}


def test_sensor__rings_once_however_many_pods_answer(fx: Feed) -> None:
    """The template starts them: the doorbell knows nothing of how many there are."""
    spec = made.to_manifest(made.sensor(made.bells([outside(fx, parallel=3)])))
    started = [each["template"]["k8s"]["source"]["resource"]["spec"] for each in spec["triggers"]]
    assert started == [{"workflowTemplateRef": {"name": "quote-sub"}}]


def test_sensor__starts_templates_that_exist_and_need_no_parameter(doorbell: Specs, templates: Specs) -> None:
    for trigger in doorbell["Sensor"]["triggers"]:
        spec = trigger["template"]["k8s"]["source"]["resource"]["spec"]
        assert set(spec) == {"workflowTemplateRef"}  # `templateReferencing: Strict` lets through arguments beside it
        assert "arguments" not in templates[spec["workflowTemplateRef"]["name"]]


def test_sensor__acknowledges_after_the_deed_and_tries_again(doorbell: Specs) -> None:
    for trigger in doorbell["Sensor"]["triggers"]:
        assert trigger["atLeastOnce"] is True
        assert trigger["retryStrategy"]["steps"] > 1


def test_sensor__passes_on_the_events_id_and_nothing_of_its_body(doorbell: Specs) -> None:
    for trigger in doorbell["Sensor"]["triggers"]:
        (parameter,) = trigger["template"]["k8s"]["parameters"]
        assert parameter["src"].keys() == {"dependencyName", "contextKey"}
        assert (parameter["src"]["contextKey"], parameter["dest"]) == ("id", "metadata.annotations.feedfall/rang")


def test_pods__are_locked_down(doorbell: Specs) -> None:
    for kind in ("EventSource", "Sensor"):
        template = doorbell[kind]["template"]
        assert template["securityContext"]["runAsNonRoot"]
        assert template["container"]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }


def test_rights__of_the_sensor_are_to_create_workflows_and_of_the_source_none() -> None:
    found = rights.doorbell_documents()
    roles = {each["metadata"]["name"]: each["rules"] for each in found if each["kind"] == "Role"}
    accounts = [each["metadata"]["name"] for each in found if each["kind"] == "ServiceAccount"]
    assert roles == {
        "feedfall-doorbell": [{"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["create"]}]
    }
    assert accounts == ["feedfall-doorbell", "feedfall-listener"]


def test_address__reaches_every_topic_of_the_source() -> None:
    files = render.render(find.PACKAGES)
    (target,) = yaml.safe_load(files["argo-events/address/kustomization.yaml"])["replacements"][0]["targets"]
    source = yaml.safe_load(files["argo-events/eventsource.yaml"])["spec"]
    assert target["fieldPaths"] == [f"spec.kafka.{name}.url" for name in source["kafka"]]


@pytest.mark.parametrize("overlay", ["local-cluster", "production"])
def test_overlay__builds_with_its_own_image_address_and_order(overlay: str) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no `kubectl` on the PATH")
    command = [kubectl, "kustomize", str(render.ROOT / "deploy/overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = list(yaml.safe_load_all(done.stdout))
    (address,) = {each["data"]["kafka-bootstrap-servers"] for each in found if _is(each, "ConfigMap", "feedfall")}
    (source,) = (each["spec"] for each in found if each["kind"] == "EventSource")
    assert {each["url"] for each in source["kafka"].values()} == {address}
    kinds = [each["kind"] for each in found]
    assert kinds.index("Namespace") == 0
    assert kinds.index("CronWorkflow") > max(at for at, kind in enumerate(kinds) if kind == "WorkflowTemplate")
    images = {
        each["spec"]["templates"][0]["container"]["image"] for each in found if each["kind"] == "WorkflowTemplate"
    }
    assert images == {f"ghcr.io/feedfall/feedfall:{'dev' if overlay == 'local-cluster' else '0.1.0'}"}
    assert {each["metadata"].get("namespace", "feedfall") for each in found} == {"feedfall"}


def _is(document: dict[str, Any], kind: str, name: str) -> bool:
    return bool(document["kind"] == kind and document["metadata"]["name"] == name)
