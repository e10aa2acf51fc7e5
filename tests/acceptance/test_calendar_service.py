"""The shared business-day service: a real process on a real database, asked over HTTP."""

from __future__ import annotations

import threading
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from bank import Bank
from calendar_client.client import Client
from calendar_client.copy import Folder
from calendar_service import KIM, certificate, holders, serving
from ledger import rights
from local.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLOSED = {"day": "2026-12-24", "is_open": False, "reason": "임시공휴일", "evidence": "관보 20412호"}
OVERRIDES = "/v1/calendars/BANK/overrides"


@pytest.fixture
def service(bank: Bank, tmp_path: Path) -> Iterator[httpx.Client]:
    with serving(bank.url, holders(tmp_path)) as client:
        yield client


def problem(answer: httpx.Response) -> tuple[int, str, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    return answer.status_code, body["type"].removeprefix("urn:feedfall:"), body["detail"]


def test_service__tells_a_day_a_range_a_month_and_a_shift(service: httpx.Client) -> None:
    def told(path: str) -> Any:  # noqa: ANN401 -- JSON
        answer = service.get(f"/v1/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    day = told("calendars/BANK/days/20260924")
    assert (day["is_business_day"], day["holiday_kind"], day["holiday_name"]) == (False, "PUBLIC", "추석 전날")
    assert (day["prev_business_day"], day["next_business_day"]) == ("2026-09-23", "2026-09-28")
    assert day == told("calendars/BANK/days/2026-09-24") == told("calendars/BANK/days/260924")
    span = told("calendars/BANK/days?from=2026-09-21&to=20260928")
    assert (span["business_days"], len(span["days"]), span["version"]) == (4, 8, day["version"])
    grid = told("calendars/BANK/months/2026-12")
    assert (grid["business_days"], {len(week) for week in grid["weeks"]}) == (22, {7})
    assert [cell and cell["base_date"] for cell in grid["weeks"][0]][:3] == [None, None, "2026-12-01"]
    assert told("calendars/BANK/shift?from=20260924&days=2")["business_day"] == "2026-09-29"
    assert told("calendars/BANK/shift?from=20260924&policy=OrderOnPreviousConfirmedDay")["business_day"] == "2026-09-23"
    assert told("calendars/BANK/shift?from=20260924&policy=DoNotOrder")["business_day"] is None


def test_service__tells_a_day_in_every_flag(service: httpx.Client) -> None:
    """The year's last business day: banks are open, the exchange and interbank FX are not."""
    flags = service.get("/v1/days/20261231").json()
    assert (flags["bass_dt"], flags["wday_dvsn_cd"]) == ("20261231", "05")
    assert (flags["bzdy_yn"], flags["opnd_yn"], flags["sttl_day_yn"], flags["fx_yn"]) == ("Y", "N", "N", "N")
    assert service.get("/v1/days/20500101").json()["bzdy_yn"] is None


#: A question → its answer: status, type, words.
WRONG = [
    ("calendars/BNK/days/20261224", 404, "unknown-calendar", "no calendar 'BNK': there are BANK"),
    ("calendars/BANK/days/20351224", 422, "not-covered", "BANK covers 2018-01-01 to 2028-12-31, not 2035-12-24"),
    ("calendars/BANK/days/20261399", 422, "no-such-day", "'20261399' is not a date: write YYYY-MM-DD"),
    ("calendars/BANK/days/261399", 422, "no-such-day", "'261399' is not a date"),  # six digits: %%ODATE
    ("calendars/BANK/days/2026", 422, "no-such-day", "'2026' is not a date"),
    ("calendars/BANK/days?from=20260101", 422, "bad-request", "to: Field required"),
    ("calendars/BANK/days?from=20260102&to=20260101", 422, "no-such-day", "runs backwards"),
    ("calendars/BANK/days?from=20200101&to=20251231", 422, "bad-request", "a range is at most 1100 days"),
    ("calendars/BANK/months/2026-13", 422, "no-such-day", "'2026-13' is not a month"),
    ("calendars/BANK/shift?from=20260924", 422, "bad-request", "give days=… or policy=…"),
    ("calendars/BANK/shift?from=20260924&days=0", 422, "no-such-day", "is closed on BANK"),
    ("calendars/BANK/shift?from=20260924&days=99999", 422, "bad-request", "less than or equal to 10000"),
    ("overrides?calendar=BNK", 404, "unknown-calendar", "no calendar 'BNK'"),
    ("nothing", 404, "refused", "/docs lists every path"),
]


def test_service__says_what_is_wrong(service: httpx.Client) -> None:
    for path, status, kind, words in WRONG:
        found = problem(service.get(f"/v1/{path}"))
        assert found[:2] == (status, kind), path
        assert words in found[2], path


def test_etag__is_answered_304_until_something_changes(service: httpx.Client) -> None:
    for path in ("/v1/calendars/BANK/days/20261224", "/v1/calendars/BANK/table", "/v1/overrides"):
        first = service.get(path)
        again = service.get(path, headers={"If-None-Match": f'"other", W/{first.headers["ETag"]}'})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
        service.post(OVERRIDES, json=CLOSED, headers=KIM)
        changed = service.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert changed.status_code == 200
        service.delete(f"{OVERRIDES}/20261224?reason=on+to+the+next", headers=KIM)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer nobody"}, {"Authorization": "Basic a2ltOg=="}, {"Authorization": "Bearer"}],
)
def test_declare__without_a_token_of_ours_is_refused(
    service: httpx.Client, bank: Bank, headers: dict[str, str]
) -> None:
    answer = service.post(OVERRIDES, json=CLOSED, headers=headers)
    assert problem(answer)[:2] == (401, "who-are-you")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert problem(service.delete(f"{OVERRIDES}/20261224?reason=none", headers=headers))[0] == 401
    assert bank.value("SELECT count(*) FROM feedfall.calendar_override") == 0


def test_declare__on_a_service_without_tokens_is_refused(bank: Bank) -> None:
    with serving(bank.url) as client:
        assert problem(client.post(OVERRIDES, json=CLOSED, headers=KIM))[:2] == (403, "read-only")


def test_declare__holds_at_once_and_is_in_the_journal(service: httpx.Client, bank: Bank) -> None:
    before = service.get("/v1/calendars/BANK/days/20261224").json()
    declared = service.post(OVERRIDES, json=CLOSED, headers=KIM)
    assert (declared.status_code, declared.json()["by"]) == (201, "kim")
    after = service.get("/v1/calendars/BANK/days/20261224").json()
    assert (before["is_business_day"], after["is_business_day"]) == (True, False)
    assert (after["holiday_kind"], after["override_reason"], after["updated_by"]) == ("OVERRIDE", "임시공휴일", "kim")
    assert before["version"] != after["version"]
    journal = "SELECT who, verb, reason, detail->>'day', detail->>'evidence' FROM feedfall.journal"
    assert bank.rows(journal) == [("kim", "declare", "임시공휴일", "2026-12-24", "관보 20412호")]


def test_withdraw__lets_the_table_speak_and_keeps_the_history(service: httpx.Client, bank: Bank) -> None:
    service.post(OVERRIDES, json=CLOSED, headers=KIM)
    gone = service.delete(f"{OVERRIDES}/2026-12-24?reason=a+slip", headers=KIM)
    assert (gone.status_code, gone.json()["day"]) == (200, "2026-12-24")
    assert service.get("/v1/calendars/BANK/days/20261224").json()["is_business_day"] is True
    assert problem(service.delete(f"{OVERRIDES}/2026-12-24?reason=again", headers=KIM))[:2] == (404, "no-override")
    assert bank.value("SELECT count(*) FROM feedfall.calendar_override WHERE withdrawn_at IS NOT NULL") == 1
    assert bank.rows("SELECT verb, reason FROM feedfall.journal ORDER BY id") == [
        ("declare", "임시공휴일"),
        ("withdraw", "a slip"),
    ]


@pytest.mark.parametrize(
    ("declaration", "words"),
    [
        ({"day": "2026-12-25"}, "BANK is closed on 2026-12-25 already"),  # as the table says itself
        ({"is_open": True}, "BANK is open on 2026-12-24 already"),
    ],
)
def test_declare__what_the_table_says_already_is_a_conflict(
    service: httpx.Client, declaration: dict[str, object], words: str
) -> None:
    status, kind, detail = problem(service.post(OVERRIDES, json={**CLOSED, **declaration}, headers=KIM))
    assert (status, kind) == (409, "conflict")
    assert words in detail


def test_declare__a_second_time_is_a_conflict(service: httpx.Client) -> None:
    service.post(OVERRIDES, json=CLOSED, headers=KIM)
    status, _, detail = problem(service.post(OVERRIDES, json=CLOSED, headers=KIM))
    assert status == 409
    assert "BANK 2026-12-24 is declared closed already, by kim (임시공휴일)" in detail


@pytest.mark.parametrize(
    "declaration", [{"day": "20261399"}, {"is_open": "no"}, {"reason": ""}, {"evidence": None}, {"oddly": "more"}]
)
def test_declare__what_is_incomplete_is_refused(
    service: httpx.Client, bank: Bank, declaration: dict[str, object]
) -> None:
    assert problem(service.post(OVERRIDES, json={**CLOSED, **declaration}, headers=KIM))[0] == 422
    assert bank.value("SELECT count(*) FROM feedfall.journal") == 0


def test_declare__what_is_too_long_is_not_read(service: httpx.Client) -> None:
    for content in (b" " * 20_000, iter([b" " * 20_000])):  # with its length, and without
        assert problem(service.post(OVERRIDES, content=content, headers=KIM))[:2] == (413, "too-long")


def test_declare__against_a_calendar_file_is_a_conflict(bank: Bank, tmp_path: Path) -> None:
    """Two decisions that disagree would leave the calendar unreadable."""
    file, tokens = tmp_path / "own.toml", tmp_path / "tokens"
    tokens.mkdir()
    file.write_text('[[override]]\ncalendar = "BANK"\nday = 2026-12-24\nopen = false\nreason = "임시공휴일"\n')
    with serving(bank.url, holders(tokens), {"FEEDFALL_CALENDARS": str(file)}) as client:
        answer = client.post(OVERRIDES, json={**CLOSED, "is_open": True}, headers=KIM)
        assert "a calendar file declares BANK 2026-12-24 closed already" in problem(answer)[2]
        assert client.get("/v1/calendars/BANK/days/20261224").status_code == 200


def test_declare__of_two_at_once_one_holds(service: httpx.Client, bank: Bank) -> None:
    answers: list[int] = []

    def declare() -> None:
        answers.append(httpx.post(service.base_url.join(OVERRIDES), json=CLOSED, headers=KIM, timeout=10).status_code)

    writers = [threading.Thread(target=declare) for _ in range(8)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert sorted(answers) == [201, *[409] * 7]
    assert bank.value("SELECT count(*) FROM feedfall.calendar_override") == 1
    assert bank.value("SELECT count(*) FROM feedfall.journal") == 1


def test_answers__follow_what_is_declared_elsewhere_within_seconds(service: httpx.Client, bank: Bank) -> None:
    service.get("/v1/calendars/BANK/days/20261224")
    bank.rows(
        "INSERT INTO feedfall.calendar_override (calendar, day, is_open, reason, evidence, who) "
        "VALUES ('BANK', '2026-12-24', false, 'by the command', 'a letter', 'lee')"
    )
    until = time.monotonic() + 10
    while service.get("/v1/calendars/BANK/days/20261224").json()["is_business_day"]:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_answers__of_a_calendar_of_ones_own(bank: Bank, tmp_path: Path) -> None:
    file = tmp_path / "desk.toml"
    file.write_text('[DESK]\ninclude = ["BANK", "US"]\n[DESK.closed]\n2026-10-02 = "창립기념일"\n')
    with serving(bank.url, environ={"FEEDFALL_CALENDARS": str(file)}) as client:
        day = client.get("/v1/calendars/DESK/days/20261002").json()
    assert (day["is_business_day"], day["holiday_kind"], day["holiday_name"]) == (False, "OWN", "창립기념일")


def test_operations__health_readiness_and_metrics(bank: Bank) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with serving(bank.url, environ={"FEEDFALL_METRICS_PORT": str(port)}) as service:
        assert [service.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
        assert [httpx.get(f"{address}{path}").status_code for path in ("/healthz", "/readyz")] == [200, 200]
        service.get("/v1/calendars/BANK/days/20261224")
        numbers = httpx.get(f"{address}/metrics").text
        assert problem(service.get("/metrics"))[:2] == (404, "refused")  # clients ask elsewhere
    assert 'route="/v1/calendars/{name}/days/{day}",status="200"' in numbers
    assert "20261224" not in numbers
    assert "feedfall_calendar_overrides_age_seconds" in numbers
    assert "feedfall_calendar_connections_open 1.0" in numbers


def test_tls__tokens_and_answers_are_encrypted(bank: Bank, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    environ = {"FEEDFALL_TLS_CERT_FILE": str(cert), "FEEDFALL_TLS_KEY_FILE": str(key)}
    with serving(bank.url, holders(tokens), environ, cert) as service:
        assert service.post(OVERRIDES, json=CLOSED, headers=KIM).status_code == 201
        with Client(str(service.base_url), Folder(tmp_path / "copies"), ca=str(cert)) as client:
            assert client.calendar("BANK").override(date(2026, 12, 24))
        with pytest.raises(httpx.TransportError):
            httpx.get(str(service.base_url.copy_with(scheme="http")))


def test_readiness__fails_where_the_database_has_no_ledger(servers: tuple[str, str]) -> None:
    with serving(servers[1]) as client:  # the server's own database: nobody migrated it
        assert client.get("/healthz").status_code == 200
        assert problem(client.get("/readyz"))[:2] == (503, "out-of-date")
        assert problem(client.get("/v1/calendars/BANK/days/20261224"))[:2] == (503, "out-of-date")


def test_rights__of_the_services_own_role_are_enough(bank: Bank, tmp_path: Path) -> None:
    with psycopg.connect(bank.url, autocommit=True) as connection:
        role = f"calendar_{bank.url.rsplit('/', 1)[1]}"
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'".encode())
        connection.execute(f"GRANT USAGE ON SCHEMA feedfall TO {role};{rights.service(role)}".encode())
    server = bank.url.partition("@")[2]
    try:
        with serving(f"postgresql://{role}:secret@{server}", holders(tmp_path)) as client:
            assert client.get("/readyz").status_code == 200
            assert client.post(OVERRIDES, json=CLOSED, headers=KIM).status_code == 201
            assert client.delete(f"{OVERRIDES}/20261224?reason=a+slip", headers=KIM).status_code == 200
        with psycopg.connect(f"postgresql://{role}:secret@{server}", autocommit=True) as connection:
            for refused in ("SELECT 1 FROM fx_rate", "SELECT 1 FROM feedfall.run", "DELETE FROM feedfall.journal"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(refused)
    finally:
        bank.rows(f"DROP OWNED BY {role}")
        bank.rows(f"DROP ROLE {role}")


def test_documents__load_nothing_from_outside(service: httpx.Client) -> None:
    answer = service.get("/docs")
    page = answer.text
    assert "https://" not in page
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
        found = service.get(f"/static-offline-docs/{asset}")
        assert (found.status_code, found.headers["X-Content-Type-Options"]) == (200, "nosniff")
