"""What the sweep asks of Argo: each start once, and again after a while when it led to nothing."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from ledger.key import LeaseKey
from steps.run.exits import Misconfigured, Transient
from steps.run.settings import Argo
from steps.sweep import AGAIN, Start, submit
from steps.watch.argo import Server

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
START = Start(LeaseKey("fx", "sub"), epoch=7, lag=3, at=NOON)


def argo(status: int, asked: list[httpx.Request] | None = None) -> Server:
    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        return httpx.Response(status, json={"code": 6, "message": "workflows.argoproj.io already exists"})

    own = Argo("http://argo", "bank", token="sesame")  # noqa: S106 -- opens nothing
    return Server(own, transport=httpx.MockTransport(answer))


def test_start__the_next_minute_has_the_same_name() -> None:
    assert replace(START, at=NOON + timedelta(minutes=1)).name == START.name


def test_start__a_run_that_never_took_the_lease_is_started_again_later() -> None:
    assert replace(START, at=NOON + timedelta(seconds=AGAIN)).name != START.name


def test_start__another_epoch_has_another_name() -> None:
    assert replace(START, epoch=8).name != START.name


def test_submit__asks_for_the_template_under_the_fixed_name() -> None:
    asked: list[httpx.Request] = []
    assert submit(argo(200, asked), START)
    assert asked[0].headers["Authorization"] == "Bearer sesame"
    body = json.loads(asked[0].content)
    assert (asked[0].url.path, body["resourceName"], body["submitOptions"]) == (
        "/api/v1/workflows/bank/submit",
        "fx-sub",
        {"name": START.name, "parameters": []},
    )


def test_submit__already_there_is_fine() -> None:
    assert not submit(argo(409), START)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_submit__a_refusal_needs_a_person(status: int) -> None:
    with pytest.raises(Misconfigured, match="fx-sub"):
        submit(argo(status), START)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_submit__a_server_in_trouble_is_asked_again(status: int) -> None:
    with pytest.raises(Transient, match="fx-sub"):
        submit(argo(status), START)
