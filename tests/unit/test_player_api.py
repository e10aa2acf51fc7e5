"""The local player's API: what it answers, in Argo's form, and what it refuses."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from local.argo import server
from played import SLEEPER, Document, Play, script


@pytest.fixture
def api(play: Play) -> Iterator[httpx.Client]:
    code = "import sys; print('하나'); print('two'); sys.exit(65 * (sys.argv[1] == '1'))"
    document = script(code)
    document["spec"]["arguments"]["parameters"][0]["enum"] = ["0", "1"]
    with server.serve_argo(play(document)) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def order(
    api: httpx.Client, resource: str = "fx-sub", kind: str = "WorkflowTemplate", **options: object
) -> httpx.Response:
    body = {"namespace": "local", "resourceKind": kind, "resourceName": resource, "submitOptions": options}
    return api.post("/api/v1/workflows/local/submit", json=body)


def over(api: httpx.Client, name: str) -> Document:
    api.get(f"/api/v1/workflows/local/{name}/log?logOptions.container=main&logOptions.follow=true")
    found: Document = api.get(f"/api/v1/workflows/local/{name}").json()
    return found


def test_submit__answers_with_the_workflow(api: httpx.Client) -> None:
    answered = order(api, name="mine", parameters=["word=1"], labels="a=b,c/d=e")
    assert answered.status_code == 200
    found = answered.json()
    assert found["metadata"].keys() == {"name", "namespace", "uid", "creationTimestamp", "labels"}
    assert found["metadata"]["name"] == "mine"
    wanted = {"a": "b", "c/d": "e", "feedfall/feed": "fx", "workflows.argoproj.io/workflow-template": "fx-sub"}
    assert wanted.items() <= found["metadata"]["labels"].items()
    assert found["spec"]["arguments"] == {"parameters": [{"name": "word", "value": "1"}]}
    assert found["status"]["phase"] in ("Pending", "Running")


def test_submit__draws_a_name_where_none_is_given(api: httpx.Client) -> None:
    assert order(api).json()["metadata"]["name"].startswith("fx-sub-")
    assert order(api, generateName="by-hand-").json()["metadata"]["name"].startswith("by-hand-")


@pytest.mark.parametrize(
    ("options", "status", "code", "message"),
    [
        ({"resource": "no-such"}, 404, 5, 'workflowtemplates.argoproj.io "no-such" not found'),
        ({"parameters": ["a=b"]}, 400, 3, "fx-sub has no parameter 'a': there are word"),
        ({"parameters": ["word"]}, 400, 3, "this is no order"),
        ({"parameters": ["word=7"]}, 400, 3, "parameter word of fx-sub is one of ['0', '1'], not '7'"),
        ({"kind": "CronWorkflow"}, 400, 3, "submits a WorkflowTemplate"),
        ({"serviceAccount": "root"}, 400, 3, "submits a WorkflowTemplate"),  # never taken in silence
        ({"labels": "a"}, 400, 3, "labels are written"),
        ({"name": "../../etc"}, 400, 3, "is no name"),
    ],
)
def test_submit__is_refused(api: httpx.Client, options: dict[str, Any], status: int, code: int, message: str) -> None:
    answered = order(api, **options)
    assert (answered.status_code, answered.json()["code"]) == (status, code)
    assert message in answered.json()["message"]


def test_submit__the_same_name_twice_is_a_conflict(api: httpx.Client) -> None:
    order(api, name="mine")
    answered = order(api, name="mine")
    assert (answered.status_code, answered.json()) == (
        409,
        {"code": 6, "message": 'workflows.argoproj.io "mine" already exists'},
    )


def test_get__shows_how_it_ended(api: httpx.Client) -> None:
    order(api, name="mine", parameters=["word=1"])
    status = over(api, "mine")["status"]
    [node] = status["nodes"].values()
    assert (status["phase"], status["message"]) == ("Failed", "main: Error (exit code 65)")
    assert (node["type"], node["phase"], node["templateName"]) == ("Pod", "Failed", "sub")
    assert node["outputs"] == {"exitCode": "65"}
    assert datetime.fromisoformat(status["startedAt"]) <= datetime.fromisoformat(status["finishedAt"])


def test_get__of_an_unknown_one_is_not_found(api: httpx.Client) -> None:
    answered = api.get("/api/v1/workflows/local/none")
    assert (answered.status_code, answered.json()) == (
        404,
        {"code": 5, "message": 'workflows.argoproj.io "none" not found'},
    )
    assert api.get("/api/v1/workflows/elsewhere/none").status_code == 404


def test_list__is_null_where_there_is_none_as_in_argo(api: httpx.Client) -> None:
    assert api.get("/api/v1/workflows/local").json()["items"] is None


def test_list__by_label(api: httpx.Client) -> None:
    for name in "ab":
        order(api, name=name, labels=f"who={name}")
    found = api.get("/api/v1/workflows/local", params={"listOptions.labelSelector": "who=b,feedfall/feed=fx"}).json()
    assert [each["metadata"]["name"] for each in found["items"]] == ["b"]


def test_log__is_a_json_document_a_line(api: httpx.Client) -> None:
    order(api, name="mine")
    answered = api.get("/api/v1/workflows/local/mine/log?logOptions.container=main&logOptions.follow=true")
    assert [json.loads(line)["result"] for line in answered.text.splitlines()] == [
        {"content": "하나", "podName": "mine-sub-0"},
        {"content": "two", "podName": "mine-sub-0"},
    ]


@pytest.mark.parametrize("verb", ["stop", "terminate"])
def test_stop__ends_it(play: Play, verb: str) -> None:
    with server.serve_argo(play(script(SLEEPER))) as url, httpx.Client(base_url=url, trust_env=False) as api:
        order(api, name="mine")
        assert api.put(f"/api/v1/workflows/local/mine/{verb}", json={"name": "mine"}).status_code == 200
        status = over(api, "mine")["status"]
        assert (status["phase"], status["message"]) == ("Failed", f"Stopped with strategy '{verb.capitalize()}'")
        assert api.get("/api/v1/workflows/local/mine").json()["spec"]["shutdown"] == verb.capitalize()


def test_api__says_what_it_does_not_serve(api: httpx.Client) -> None:
    answered = api.put("/api/v1/workflows/local/mine/retry")
    assert (answered.status_code, answered.json()["code"]) == (501, 12)
