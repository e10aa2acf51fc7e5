"""`Feed(parallel=)`: how many pods of sub a template starts."""

import dataclasses

import pytest

from catalog import Feed, find
from workflows import manifests


@pytest.fixture
def fx() -> Feed:
    return find.load("fx")


def test_parallel__starts_pods_side_by_side_and_each_knows_its_number(fx: Feed) -> None:
    """A retry has the number of its pod, so it takes its own leases back and not its sibling's."""
    files = manifests([dataclasses.replace(fx, parallel=3)])
    spec = next(each["spec"] for found in files.values() for each in found if each["metadata"]["name"] == "fx-sub")
    ring, step = spec["templates"]
    assert spec["entrypoint"] == ring["name"]
    [[started]] = ring["steps"]
    assert (started["template"], int(started["withSequence"]["count"])) == (step["name"], 3)
    assert started["arguments"]["parameters"] == [{"name": "index", "value": "{{item}}"}]
    assert {"name": "FEEDFALL_INDEX", "value": "{{inputs.parameters.index}}"} in step["container"]["env"]
    assert step["inputs"] == {"parameters": [{"name": "index"}]}
    assert "retryStrategy" in step
    assert "retryStrategy" not in ring


def test_parallel__is_of_sub_alone(fx: Feed) -> None:
    files = manifests([dataclasses.replace(fx, parallel=3)])
    objects = [each for found in files.values() for each in found if each["kind"] == "WorkflowTemplate"]
    several = [each["metadata"]["name"] for each in objects if len(each["spec"]["templates"]) > 1]
    assert several == ["fx-sub"]
