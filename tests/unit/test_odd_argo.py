"""An Argo Server whose documents have another form: one sentence and 75, never a traceback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import hostile
from operate.argo import Argo
from steps.run.exits import Transient

if TYPE_CHECKING:
    from collections.abc import Callable

WHOLE = {"metadata": {"name": "fx-pub"}, "status": {"phase": "Running"}}
ODD: list[object] = [
    {},
    {"metadata": None},
    {"metadata": []},
    {"metadata": {"name": None}},
    {"metadata": {"name": 7}},
    {"metadata": {"name": "fx-pub", "labels": ["feedfall/feed"]}},
    {"metadata": {"name": "fx-pub", "labels": {"feedfall/feed": []}}},
    {**WHOLE, "status": "Running"},
    {**WHOLE, "status": {"phase": ["Running"]}},
    {**WHOLE, "status": {"nodes": [{"type": "Pod"}]}},
    {**WHOLE, "status": {"nodes": {"a": None}}},
    {**WHOLE, "status": {"nodes": {"a": {"type": "Pod", "finishedAt": 1}, "b": {"type": "Pod", "finishedAt": "x"}}}},
    {**WHOLE, "status": {"nodes": {"a": {"type": "Pod", "outputs": "0"}}}},
    {**WHOLE, "status": {"nodes": {"a": {"type": "Pod", "outputs": {"exitCode": "9" * 9000}}}}},
    {**WHOLE, "spec": {"arguments": {"parameters": {"name": "x"}}}},
    {**WHOLE, "spec": {"arguments": {"parameters": [None]}}},
    {**WHOLE, "spec": ["x"]},
]
LISTS: list[object] = [{"items": "none"}, {"items": {"a": WHOLE}}, {"items": [None]}, {"items": 7}]
LINES = ["7", "null", "[]", '"x"', '{"result": null}', '{"result": []}', '{"error": []}', '{"result": {"content": 7}}']


def _with(body: bytes, act: Callable[[Argo], Any]) -> Any:  # noqa: ANN401 -- what the act returns
    with hostile.serving(hostile.answer(body)) as (_, url):
        argo = Argo({"ARGO_SERVER": url, "ARGO_NAMESPACE": "bank", "ARGO_TOKEN": "t"})
        with argo:
            return act(argo)


@pytest.mark.parametrize("document", ODD, ids=range(len(ODD)))
def test_argo__an_odd_workflow_is_transient(document: object) -> None:
    with pytest.raises(Transient, match="Argo's answer has another form"):
        _with(json.dumps(document).encode(), lambda argo: argo.get("fx-pub"))
    with pytest.raises(Transient, match="Argo's answer has another form"):
        _with(json.dumps({"items": [WHOLE, document]}).encode(), lambda argo: argo.running({"a": "b"}))


@pytest.mark.parametrize("document", LISTS, ids=range(len(LISTS)))
def test_argo__an_odd_list_is_transient(document: object) -> None:
    with pytest.raises(Transient, match="Argo's answer has another form"):
        _with(json.dumps(document).encode(), lambda argo: argo.running({"a": "b"}))


@pytest.mark.parametrize("line", LINES)
def test_argo__an_odd_line_of_a_log_is_transient(line: str) -> None:
    with pytest.raises(Transient, match="Argo's answer has another form"):
        _with(line.encode(), lambda argo: list(argo.log("fx-pub", follow=False)))


def test_argo__what_is_left_out_is_no_fault() -> None:
    assert _with(json.dumps(WHOLE).encode(), lambda argo: argo.get("fx-pub")).name == "fx-pub"
    assert _with(b'{"items": null}', lambda argo: argo.running({"a": "b"})) == []
