"""The desk's interface: who may do what, what a request may be, and the same request twice. No server, no database."""

from __future__ import annotations

import asyncio
import threading
from datetime import date
from typing import TYPE_CHECKING

import httpx
import pytest

from calendar_requests import Client
from cli.verbs import ACTS, QUESTIONS, arguments, find, verbs
from ledger.errors import Misconfigured
from operate.act import Role
from service.desk_api.routes import WAITING, api
from service.desk_api.tokens import DeskTokens
from service.desk_api.verbs import Answer, Caller, Kind, Parameter, Verb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TOKENS = {role: f"a-token-of-twenty-characters-{role}" for role in Role}


class Bench:
    """Three verbs that write down what they are given."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        for role, token in TOKENS.items():
            (folder / f"{role}-kim").write_text(f"{token}\nrole = {role}\n")
        self.done: list[tuple[Caller, dict[str, object]]] = []
        self.answer = Answer(0, ["fx is held."], [], None)
        parameters = (
            Parameter("feed", Kind.TEXT, required=True),
            Parameter("reason", Kind.TEXT),
            Parameter("limit", Kind.NUMBER),
            Parameter("json", Kind.FLAG),
            Parameter("param", Kind.TEXTS),
        )
        made = [("runs", Role.VIEWER, True), ("hold", Role.OPERATOR, False), ("approve", Role.APPROVER, False)]
        self.folder = folder
        self.do = self._do
        found = [Verb(name, role, asks, "words", parameters, lambda *what: self.do(*what)) for name, role, asks in made]  # noqa: PLW0108 -- a test may give another one
        self.client = Client(api(found, DeskTokens(folder, lambda: date(2026, 11, 24))))

    def _do(self, caller: Caller, given: Mapping[str, object]) -> Answer:
        self.done.append((caller, dict(given)))
        return self.answer

    def post(self, verb: str, body: object, role: Role = Role.OPERATOR, **headers: str) -> httpx.Response:
        own = {"Authorization": f"Bearer {TOKENS[role]}"} | {
            name.replace("_", "-"): each for name, each in headers.items()
        }
        return self.client.request("POST", f"/api/acts/{verb}", json=body, headers=own)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "tokens")


def test_act__is_done_for_the_holder_of_the_token(bench: Bench) -> None:
    answer = bench.post("hold", {"feed": "fx", "reason": "대외기관 장애"})
    assert (answer.status_code, answer.json()["exit"], answer.json()["stdout"]) == (200, 0, ["fx is held."])
    [(caller, given)] = bench.done
    assert (caller.holder, caller.role, caller.address) == ("operator-kim", Role.OPERATOR, "10.0.0.7")
    assert given == {"feed": "fx", "reason": "대외기관 장애"}  # what was given, and no default


@pytest.mark.parametrize(
    ("verb", "role", "status"),
    [
        ("hold", Role.VIEWER, 403),
        ("hold", Role.OPERATOR, 200),
        ("hold", Role.APPROVER, 200),
        ("approve", Role.OPERATOR, 403),
        ("approve", Role.APPROVER, 200),
    ],
)
def test_act__needs_its_role(bench: Bench, verb: str, role: Role, status: int) -> None:
    assert bench.post(verb, {"feed": "fx"}, role).status_code == status
    assert len(bench.done) == (status == 200)


@pytest.mark.parametrize("header", ["", "Bearer wrong-token-of-twenty-characters", "Basic a2ltOnB3", "Bearer "])
def test_request__without_a_token_is_refused_before_its_body_is_read(bench: Bench, header: str) -> None:
    answer = bench.client.request("POST", "/api/acts/hold", content=b"{not json", headers={"Authorization": header})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


def test_token__serves_until_its_last_day_and_is_replaced_without_a_restart(bench: Bench) -> None:
    file = bench.folder / "operator-kim"
    for last, status in (("2026-11-24", 200), ("2026-11-23", 401)):
        file.write_text(f"{TOKENS[Role.OPERATOR]}\nrole = operator\nexpires = {last}\n")
        assert bench.post("hold", {"feed": "fx"}).status_code == status
    assert "served until 2026-11-23" in bench.post("hold", {"feed": "fx"}).json()["detail"]


@pytest.mark.parametrize(
    "text",
    [
        "short\nrole = operator\n",
        "a-token-of-twenty-characters\nrole = boss\n",
        "a-token-of-twenty-characters\nexpires = tomorrow\n",
        "a-token-of-twenty-characters\nrole = viewer\nrole = approver\n",  # which one?
        "a-token-of-twenty-characters\nanother-token-of-twenty-characters\n",
    ],
)
def test_tokens__with_a_mistake_are_refused_at_start_and_never_repeated(tmp_path: Path, text: str) -> None:
    (tmp_path / "kim").write_text(text)
    with pytest.raises(Misconfigured) as refused:
        DeskTokens(tmp_path)
    assert "kim" in str(refused.value)
    assert "token-of-twenty" not in str(refused.value)


def test_token__without_a_role_may_only_look(tmp_path: Path) -> None:
    (tmp_path / "kim").write_text("a-token-of-twenty-characters\n")
    assert DeskTokens(tmp_path).holder("a-token-of-twenty-characters").role is Role.VIEWER


@pytest.mark.parametrize(
    "body",
    [
        {"feed": "fx", "raeson": "x"},  # unknown
        {"reason": "x"},  # without what is required
        {"feed": "fx", "json": "perhaps"},
        {"feed": "fx", "limit": "many"},
        {"feed": ["fx"]},
        {"feed": "f" * 3_000},
        {"feed": "fx", "param": "a=b"},  # one, where a list belongs
        {"feed": "fx", "resume": "x"},
        [],
        "fx",
    ],
)
def test_act__refuses_another_body(bench: Bench, body: object) -> None:
    answer = bench.post("hold", body)
    assert (answer.status_code, bench.done) == (422, [])


def test_act__refuses_a_body_that_is_too_long(bench: Bench) -> None:
    assert bench.post("hold", {"feed": "fx", "param": ["x" * 1_000] * 20}).status_code == 413


def test_failure__is_a_problem_with_the_commands_exit_code_and_words(bench: Bench) -> None:
    bench.answer = Answer(75, [], ["the database is away"], None, failure="the database is away")
    answer = bench.post("hold", {"feed": "fx"})
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert {name: answer.json()[name] for name in ("type", "status", "detail", "exit", "stderr")} == {
        "type": "urn:feedfall:exit-75",
        "status": 503,
        "detail": "the database is away",
        "exit": 75,
        "stderr": ["the database is away"],
    }


def test_question__takes_the_commands_options_as_a_query(bench: Bench) -> None:
    headers = {"Authorization": f"Bearer {TOKENS[Role.VIEWER]}"}
    answer = bench.client.request("GET", "/api/runs?feed=fx&limit=3&json=true&param=a&param=b", headers=headers)
    assert (answer.status_code, bench.done[0][1]) == (
        200,
        {"feed": "fx", "limit": 3, "json": True, "param": ["a", "b"]},
    )
    assert bench.client.request("GET", "/api/runs?feed=fx&page=3", headers=headers).status_code == 422
    assert bench.client.request("POST", "/api/runs", json={"feed": "fx"}, headers=headers).status_code == 405


# -- the same request twice --


def test_act__under_the_same_key_is_done_once(bench: Bench) -> None:
    first = bench.post("hold", {"feed": "fx"}, Idempotency_Key="k1")
    again = bench.post("hold", {"feed": "fx"}, Idempotency_Key="k1")
    assert (first.json(), len(bench.done)) == (again.json(), 1)
    assert [each.headers.get("idempotent-replayed") for each in (first, again)] == [None, "true"]


@pytest.mark.parametrize(
    ("verb", "body", "role", "status"),
    [
        ("hold", {"feed": "gold"}, Role.OPERATOR, 422),  # another request under the same key
        ("hold", {"feed": "fx"}, Role.APPROVER, 200),  # another holder's key is another one
        ("approve", {"feed": "fx"}, Role.OPERATOR, 403),  # a key is no right
    ],
)
def test_key__is_one_holders_for_one_request(
    bench: Bench, verb: str, body: dict[str, object], role: Role, status: int
) -> None:
    bench.post("hold", {"feed": "fx"}, Idempotency_Key="k1")
    assert bench.post(verb, body, role, Idempotency_Key="k1").status_code == status


def test_key__of_an_act_that_met_an_outage_is_tried_anew(bench: Bench) -> None:
    bench.answer = Answer(75, [], [], None, failure="away")
    assert bench.post("hold", {"feed": "fx"}, Idempotency_Key="k1").status_code == 503
    bench.answer = Answer(0)
    assert bench.post("hold", {"feed": "fx"}, Idempotency_Key="k1").status_code == 200


# -- the commands as verbs --


def test_verbs__are_the_commands_with_their_own_names_and_parameters() -> None:
    found = {each.name: each for each in verbs()}
    assert {"hold", "free", "kill", "submit", "runs", "lag", "absent"} <= set(found) <= {*QUESTIONS, *ACTS}
    assert found["hold"].path == "/api/acts/hold"
    assert found["quarantine list"].path == "/api/quarantine/list"
    submit = {each.name: (each.kind, each.required) for each in found["submit"].parameters}
    assert submit["name"] == (Kind.TEXT, True)
    assert submit["date"] == (Kind.TEXT, False)
    assert submit["seq"] == (Kind.NUMBER, False)
    assert submit["wait"] == (Kind.FLAG, False)
    assert submit["param"] == (Kind.TEXTS, False)


def test_openapi__has_each_verb_and_its_words(tmp_path: Path) -> None:
    (tmp_path / "kim").write_text("a-token-of-twenty-characters\n")
    client = Client(api(verbs(), DeskTokens(tmp_path)))
    document = client.get("/api/openapi.json").json()
    assert document["paths"]["/api/acts/hold"]["post"]["summary"].startswith("Stop a feed")
    assert document["components"]["schemas"]["Hold"]["additionalProperties"] is False
    assert {each["name"] for each in document["paths"]["/api/runs"]["get"]["parameters"]} >= {"feed", "limit", "json"}


@pytest.mark.parametrize("text", ["--all", "-h", "--help", "--reason=x", "--", "$(id)", "a b", "", "="])
def test_arguments__a_value_is_never_taken_for_an_option(text: str) -> None:
    command = find("hold")
    reason = text or "a blank one is refused"
    line = arguments(command, {"feed": text, "reason": reason})
    context = command.make_context("hold", line, resilient_parsing=True)
    assert (context.params["feed"], context.params["reason"]) == (text, reason)


def test_act__is_done_while_every_place_of_those_that_wait_is_taken(bench: Bench) -> None:
    go, taken = threading.Event(), threading.Semaphore(0)

    def wait_or_act(caller: Caller, given: Mapping[str, object]) -> Answer:
        if caller.resume:
            taken.release()
            assert go.wait(20)
        return Answer(0, [str(given["feed"])])

    async def story() -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKENS[Role.OPERATOR]}"}
        transport = httpx.ASGITransport(bench.client.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk", headers=headers) as http:
            body = {"feed": "fx", "resume": {"run": "fx-pub-1"}}
            waiting = [asyncio.create_task(http.post("/api/acts/hold", json=body)) for _ in range(WAITING + 8)]
            for _ in range(WAITING):
                assert await asyncio.to_thread(taken.acquire, timeout=20)
            acted = await http.post("/api/acts/hold", json={"feed": "gold"})
            go.set()
            await asyncio.gather(*waiting)
            return acted

    bench.do = wait_or_act
    assert asyncio.run(story()).json()["stdout"] == ["gold"]
