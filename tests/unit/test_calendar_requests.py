"""Requests to the calendar service that mean harm or a mistake: each is a refusal with a sentence, never a fault."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import business_day
from ledger.errors import Misconfigured, Transient
from service.__main__ import serve
from service.calendar_api.routes import api
from service.management import management
from service.metrics import Metrics
from service.snapshot import Current, Snapshot
from service.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi import FastAPI

    from ledger.database import Connection

TOKEN, OTHER = "a-token-of-thirty-two-characters", "another-token-that-is-long-enough"
KIM, LEE = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"Bearer {OTHER}"}
OVERRIDES = "/v1/calendars/BANK/overrides"
CLOSED = {"day": "2026-12-24", "is_open": False, "reason": "임시공휴일", "evidence": "관보 20412호"}
REACHED = 503, "database"
NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)


class TablesAlone(Current):
    """The calendars as their tables are. A request that comes as far as a transaction is answered 503."""

    def __init__(self) -> None:
        super().__init__("postgresql://nobody@127.0.0.1:1/none", business_day.read_own(""))

    def snapshot(self, limit: float = 0.0) -> Snapshot:  # noqa: ARG002 -- Current's own
        return Snapshot((), business_day.read_own(""))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        raise Transient("no database here")
        yield


@dataclass
class Client:
    """Requests to the application, without a server."""

    app: FastAPI

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def post(self, path: str, **sent: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
        return self.request("POST", path, **sent)

    def delete(self, path: str, **sent: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
        return self.request("DELETE", path, **sent)

    def request(self, method: str, path: str, **sent: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("10.0.0.7", 40_000))
            async with httpx.AsyncClient(transport=transport, base_url="http://calendar") as http:
                return await http.request(method, path, **sent)

        return asyncio.run(answer())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kim").write_text(f"{TOKEN}\n")
    (tmp_path / "lee").write_text(f"{OTHER}\ncalendars = KRX, FX\npast = yes\n")
    return tmp_path


@pytest.fixture
def client(folder: Path) -> Client:
    current = TablesAlone()
    return Client(api(current, Tokens(folder), Metrics(current), now=lambda: NOW))


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].removeprefix("urn:feedfall:")


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


# -- who sends it --


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nobody"}])
@pytest.mark.parametrize("body", [b"", b"{", b"[" * 16_000, b'{"day": 1}'])
def test_declare__without_a_token_is_refused_before_its_body_is_read(
    client: Client, headers: dict[str, str], body: bytes
) -> None:
    assert problem(client.post(OVERRIDES, content=body, headers=headers)) == (401, "who-are-you")
    assert problem(client.delete(f"{OVERRIDES}/20261224", headers=headers)) == (401, "who-are-you")


def test_token__of_other_calendars_is_refused_before_the_body_is_read(client: Client) -> None:
    assert problem(client.post(OVERRIDES, content=b"{", headers=LEE)) == (403, "forbidden")
    assert problem(client.delete(f"{OVERRIDES}/20261224?reason=why", headers=LEE)) == (403, "forbidden")
    assert problem(client.post("/v1/calendars/KRX/overrides", json=CLOSED, headers=LEE)) == REACHED


@pytest.mark.parametrize(("day", "allowed"), [("20261123", False), ("20261124", True), ("20261125", True)])
def test_token__may_touch_the_past_only_where_it_says_so(client: Client, day: str, allowed: bool) -> None:  # noqa: FBT001 -- a case
    sent = {**CLOSED, "day": day}
    expected = REACHED if allowed else (403, "forbidden")
    assert problem(client.post(OVERRIDES, json=sent, headers=KIM)) == expected
    assert problem(client.delete(f"{OVERRIDES}/{day}?reason=why", headers=KIM)) == expected
    assert problem(client.post("/v1/calendars/KRX/overrides", json=sent, headers=LEE)) == REACHED


def test_token__that_cannot_be_read_any_more_is_nobodys(
    client: Client, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "kim").write_bytes(b"\xff" * 30)
    assert problem(client.post(OVERRIDES, json=CLOSED, headers=KIM)) == (401, "who-are-you")
    assert problem(client.post(OVERRIDES, json=CLOSED, headers=LEE)) == (403, "forbidden")
    assert "the token file of kim is not UTF-8" in capsys.readouterr().out


def test_token__that_another_holder_has_too_is_nobodys(client: Client, folder: Path) -> None:
    (folder / "park").write_text(TOKEN)
    assert problem(client.post(OVERRIDES, json=CLOSED, headers=KIM)) == (401, "who-are-you")


RULES = "the token file of park, line 2: write `calendars = BANK, KRX`, `past = yes` or nothing"
#: What a token file holds → why the service does not start.
WRONG = [
    (b"\xff" * 30, "the token file of park is not UTF-8"),
    (b"short", "the token of park is shorter than 20 characters"),
    (b"", "the token of park is shorter than 20 characters"),
    (TOKEN.encode(), "kim and park have the same token"),
    (
        b"a-third-token-of-some-length\npast = perhaps",
        "the token file of park, line 2: write `calendars = BANK, KRX`, `past = yes`",
    ),
    (
        b"a-third-token-of-some-length\ncalendars =",
        "the token file of park, line 2: write `calendars = BANK, KRX`, `past = yes`",
    ),
    (f"# of park\n{TOKEN}".encode(), "the token of park is shorter"),
    (f"# the token of park:\n{TOKEN}".encode(), "the token file of park, line 2"),
    (
        b"a-third-token-of-some-length\ncalender = BANK",
        "the token file of park, line 2: write `calendars = BANK, KRX`, `past = yes`",
    ),
]


@pytest.mark.parametrize(("content", "words"), WRONG)
def test_tokens__that_cannot_hold_are_refused_at_start(folder: Path, content: bytes, words: str) -> None:
    (folder / "park").write_bytes(content)
    with pytest.raises(Misconfigured) as refused:
        Tokens(folder)
    assert words in str(refused.value)
    assert TOKEN not in str(refused.value)


# -- what is written down --


def test_refusal__is_logged_with_who_what_and_why_and_no_token(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    client.post(OVERRIDES, json=CLOSED, headers={"Authorization": "Bearer a-guess-of-some-length"})
    client.post(OVERRIDES, json=CLOSED, headers=LEE)
    client.delete("/v1/calendars/%1B%5B2J/overrides/20261224?reason=why", headers=KIM)
    client.get("/v1/calendars/BNK/days/20261224")  # nobody declares anything
    guessed, forbidden, escaped = capsys.readouterr().out.splitlines()
    assert guessed.startswith("REFUSED 401 who-are-you: POST /v1/calendars/BANK/overrides by nobody from 10.0.0.7: ")
    assert forbidden.startswith("REFUSED 403 forbidden: POST /v1/calendars/BANK/overrides by lee from 10.0.0.7: ")
    assert escaped.startswith("REFUSED 422 bad-request: DELETE /v1/calendars/\\x1b[2J/overrides/20261224 by kim from ")
    assert not any(word in guessed + forbidden + escaped for word in (TOKEN, OTHER, "a-guess-of-some-length"))


def test_refusals__of_a_flood_are_counted_and_not_logged_each(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(500):
        client.post(OVERRIDES, content=b"", headers={})
    assert len(capsys.readouterr().out.splitlines()) == 60


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
