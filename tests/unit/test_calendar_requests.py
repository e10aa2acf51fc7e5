"""Requests to the calendar service that mean harm or a mistake: each is a refusal with a sentence, never a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from calendar_requests import (
    CLOSED,
    KIM,
    OVERRIDES,
    Client,
    TablesAlone,
    client_of,
    holders,
    problem,
)
from ledger.errors import Misconfigured
from service.__main__ import serve
from service.calendar_api.routes import api
from service.management import management
from service.metrics import Metrics
from service.tokens import Tokens

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return holders(tmp_path)


@pytest.fixture
def client(folder: Path) -> Client:
    return client_of(folder)


# -- what is sent --


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "a\x00b"},
        {"reason": "why\x1b[2J"},
        {"evidence": "\u202e관보"},
        {"evidence": "one\ntwo"},
        {"day": "9999-12-31"},
        {"day": "0001-01-01"},
        {"day": "1899-12-31"},
        {"\x00": 1},
    ],
)
def test_declare__of_what_cannot_be_kept_is_refused(client: Client, change: dict[str, Any]) -> None:
    status, kind = problem(client.post(OVERRIDES, json={**CLOSED, **change}, headers=KIM))
    assert (status, kind in ("bad-request", "not-covered")) == (422, True)


@pytest.mark.parametrize(
    "body",
    [
        b'{"\\ud800": 1}',  # half a character, as a key
        b'{"day": "2026-12-24", "is_open": false, "reason": "\\ud800", "evidence": "x"}',
        b"[" * 16_000,
        b'{"a":' * 3_000,
        b"9" * 16_000,
        b"\xff\xfe",
        b"",
    ],
)
def test_declare__of_a_body_that_is_no_declaration_is_refused(client: Client, body: bytes) -> None:
    answer = client.post(OVERRIDES, content=body, headers={**KIM, "Content-Type": "application/json"})
    assert problem(answer) in ((422, "bad-request"), (400, "refused"))


@pytest.mark.parametrize("length", ["16385", "000000000000016384", "9" * 5_000, "-1", "1e3", "", "+5"])
def test_body__of_a_length_that_is_too_much_or_none_is_not_read(client: Client, length: str) -> None:
    answer = client.post(OVERRIDES, content=b"{}", headers={**KIM, "Content-Length": length})
    assert problem(answer) == (413, "too-long")


@pytest.mark.parametrize(
    "path",
    [
        f"{OVERRIDES}/20261224?reason=a%00b",
        f"{OVERRIDES}/20261224?reason=%E2%80%AE",
        "/v1/calendars/BA%00NK/overrides/20261224?reason=why",
        "/v1/calendars/%1B/overrides/20261224?reason=why",
    ],
)
def test_withdraw__of_what_cannot_be_kept_is_refused(client: Client, path: str) -> None:
    assert problem(client.delete(path, headers=KIM)) == (422, "bad-request")


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_day__at_the_end_of_time_is_not_covered(client: Client, day: str) -> None:
    assert problem(client.get(f"/v1/calendars/BANK/days/{day}")) == (422, "not-covered")
    assert client.get(f"/v1/days/{day}").status_code == 200


# -- the page --


def test_docs__may_be_framed_by_nobody_and_run_only_its_own_script(client: Client) -> None:
    answer = client.get("/docs")
    policy = dict(each.strip().partition(" ")[::2] for each in answer.headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["frame-ancestors"]) == ("'none'", "'none'")
    assert "unsafe" not in policy["script-src"]
    assert "'sha256-" in policy["script-src"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get("/docs/oauth2-redirect").status_code == 404


# -- what the platform reads --


def test_metrics__have_a_label_for_every_method_that_is_invented(folder: Path) -> None:
    current = TablesAlone()
    metrics = Metrics(current)
    client = Client(api(current, Tokens(folder), metrics))
    for number in range(20):
        client.request(f"BREW{number}", "/v1/calendars")
    client.get("/v1/calendars")
    numbers = Client(management(current, metrics)).get("/metrics").text  # type: ignore[arg-type] # any application
    assert 'feedfall_calendar_requests_total{method="other",route="/v1/calendars",status="405"} 20.0' in numbers
    assert 'method="GET"' in numbers
    assert "BREW" not in numbers


def test_metrics__are_not_where_clients_ask(client: Client) -> None:
    assert problem(client.get("/metrics")) == (404, "refused")


#: A setting → what is wrong with it.
SETTINGS = [
    ({"DATABASE_URL": ""}, "not set: DATABASE_URL"),
    ({"FEEDFALL_METRICS_PORT": "all"}, "FEEDFALL_METRICS_PORT is 'all'"),
    ({"FEEDFALL_METRICS_PORT": "65536"}, "FEEDFALL_METRICS_PORT is '65536'"),
    ({"FEEDFALL_TLS_CERT_FILE": "tls.crt"}, "FEEDFALL_TLS_CERT_FILE and FEEDFALL_TLS_KEY_FILE go together"),
    ({"FEEDFALL_TLS_KEY_FILE": "tls.key"}, "FEEDFALL_TLS_CERT_FILE and FEEDFALL_TLS_KEY_FILE go together"),
    ({"FEEDFALL_TLS_CERT_FILE": "/nowhere", "FEEDFALL_TLS_KEY_FILE": "/nowhere"}, "the TLS certificate /nowhere"),
    ({"FEEDFALL_CALENDAR_TOKENS": "/nowhere"}, "FEEDFALL_CALENDAR_TOKENS is /nowhere: no such folder"),
    ({"FEEDFALL_CALENDARS": "/nowhere"}, "FEEDFALL_CALENDARS names a file or a folder"),
]


@pytest.mark.parametrize(("environ", "words"), SETTINGS)
def test_settings__that_are_wrong_are_refused_at_start(environ: dict[str, str], words: str) -> None:
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    with pytest.raises(Misconfigured, match=words):
        serve("127.0.0.1", 0, {**nowhere, **environ})
