"""The board over real ledgers, with its own role: it shows the night, and its verbs are those of the commands."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from bank import ROOT, Bank, as_role, eventually
from board_client import Browser, signed_in
from ledger.errors import Misconfigured
from ledger.rights import Roles
from operate import previews
from service.board.__main__ import build, key_of, place_of, sign_in_of
from service.board.local_sessions import LocalSessions
from service.board.sign_in import ByCookie
from service.board.texts.previews import EN, KO

if TYPE_CHECKING:
    from pathlib import Path

    from submit_command import Desk


class People:
    """Browsers of one board, each of another person."""

    def __init__(self, bank: Bank, role: str = Roles().board) -> None:
        self.environ = {**bank.environ, "DATABASE_URL": as_role(bank.url, role)}

    def browser(self, name: str) -> Browser:
        """A board of their own that has read once: the role and the ledger are what is shared."""
        printed: list[str] = []
        built = build(self.environ, ByCookie(LocalSessions(name, printed.append)), "local")
        built.current.refresh()
        return signed_in(built.app, printed[0])


@pytest.fixture
def people(bank: Bank) -> People:
    return People(bank)


def do(browser: Browser, verb: str, query: str, reason: str = "점검") -> str:
    """Preview it and do it, as a person does; the page that follows."""
    page = browser.get(f"/do/{verb}?{query}")
    assert page.status_code == 200, page.text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
    answer = browser.post(f"/do/{verb}", {**fields, "reason": reason})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_board__shows_the_night_with_its_own_role(people: People) -> None:
    page = people.browser("kim").get("/").text
    assert ">fx</a>" in page
    assert "아무도 지켜보지 않음" in page  # no sweep has ever run here


def test_hold_and_free__are_done_in_the_ledger_with_who_and_channel(bank: Bank, people: People) -> None:
    kim = people.browser("kim")
    assert "fx 멈춤" in kim.get("/do/hold?feed=fx").text
    do(kim, "hold", "feed=fx", "월말 점검")
    assert bank.rows("SELECT held_by, held_reason FROM feedfall.feed_control WHERE feed = 'fx'") == [
        ("kim", "월말 점검")
    ]
    lee = people.browser("lee")
    assert "다른 사람의 보류임: kim" in lee.get("/do/free?feed=fx").text
    do(lee, "free", "feed=fx", "끝남")
    assert bank.value("SELECT held_by FROM feedfall.feed_control WHERE feed = 'fx'") is None
    lines = bank.rows(
        "SELECT who, verb, channel, acted_as, reason FROM feedfall.journal WHERE phase = 'done' ORDER BY id"
    )
    assert lines == [("kim", "hold", "board", "operator", "월말 점검"), ("lee", "free", "board", "operator", "끝남")]
    audit = kim.get("/audit").text
    assert "월말 점검" in audit
    assert "take_over" not in audit  # nobody's hold was taken over
    assert "others_hold" in audit  # lee lifted another's


def test_free__of_what_nobody_holds_offers_no_button(people: People) -> None:
    page = people.browser("kim").get("/do/free?feed=fx").text
    assert "풀 것이 없음" in page
    assert '<form method="post" action="/do' not in page


def test_hold__that_another_took_in_between_is_asked_again(bank: Bank, people: People) -> None:
    kim, lee = people.browser("kim"), people.browser("lee")
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', kim.get("/do/hold?feed=fx").text))
    do(lee, "hold", "feed=fx")
    answer = kim.post("/do/hold", {**fields, "reason": "mine"})
    assert (answer.status_code, "보류한 사람 lee" in answer.text) == (409, True)
    assert bank.value("SELECT held_by FROM feedfall.feed_control WHERE feed = 'fx'") == "lee"


def test_accept__needs_a_second_person_and_is_done_by_the_approval(bank: Bank, people: People) -> None:
    kim, lee = people.browser("kim"), people.browser("lee")
    query = "feed=fx&day=2026-10-30"
    assert "승인 요청함" in do(kim, "accept", query, "대체 환율")
    assert bank.value("SELECT count(*) FROM feedfall.acceptance") == 0
    listed = lee.get("/approvals").text
    address = re.search(r'href="(/do/approve\?[^"]+)"', listed)
    assert address is not None
    own = kim.get("/approvals").text
    assert "다른 사람이 승인해야 합니다" in own
    assert "/do/approve" not in own
    name = address[1].replace("&amp;", "&").partition("?")[2]
    page = kim.get(f"/do/approve?{name}")
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
    assert kim.post("/do/approve", {**fields, "reason": "mine"}).status_code == 409  # the database refuses it
    assert bank.value("SELECT count(*) FROM feedfall.acceptance") == 0
    do(lee, "approve", name, "확인함")
    assert bank.rows("SELECT feed, who FROM feedfall.acceptance") == [("fx", "kim")]


def test_reader__sees_the_board_and_its_acts_are_refused_by_the_database(bank: Bank) -> None:
    kim = People(bank, Roles().reader).browser("kim")
    page = kim.get("/do/hold?feed=fx")
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
    answer = kim.post("/do/hold", {**fields, "reason": "x"})
    assert answer.status_code == 409
    assert bank.value("SELECT count(*) FROM feedfall.feed_control WHERE held_at IS NOT NULL") == 0


def test_handover_and_calendar__are_filled(bank: Bank, people: People) -> None:
    kim = people.browser("kim")
    assert "비상권한" in kim.get("/handover").text
    assert kim.get("/calendar/NONE/2026-13").status_code == 404


def test_page__never_waits_for_a_database(bank: Bank, people: People) -> None:
    kim = people.browser("kim")
    with bank_locked(bank):
        began = time.monotonic()
        assert kim.get("/").status_code == 200
        assert time.monotonic() - began < 5


def bank_locked(bank: Bank) -> psycopg.Connection:
    connection = psycopg.connect(bank.url)
    connection.execute("LOCK TABLE feedfall.run, feedfall.feed_control IN ACCESS EXCLUSIVE MODE")
    return connection


def test_rerun__starts_a_workflow_that_requests_it_again(desk: Desk, people: People) -> None:
    here = desk.play(bells=False)
    people.environ |= here.environ | {"DATABASE_URL": people.environ["DATABASE_URL"]}
    kim = people.browser("kim")
    assert "다음 순번" in kim.get("/do/rerun?feed=fx&day=2026-10-30").text
    do(kim, "rerun", "feed=fx&day=2026-10-30", "잘못된 환율")
    lines = "SELECT who, reason, detail->>'channel' FROM feedfall.journal WHERE verb = 'rerun'"
    assert desk.bank.rows(lines) == [("kim", "잘못된 환율", "board")]
    eventually(lambda: desk.bank.value("SELECT count(*) FROM feedfall.request WHERE feed = 'fx'") == 1, 30)


def test_kill__of_what_does_not_run_offers_no_button(desk: Desk, people: People) -> None:
    here = desk.play(bells=False)
    people.environ |= here.environ | {"DATABASE_URL": people.environ["DATABASE_URL"]}
    assert "실행 중인 것이 없음" in people.browser("kim").get("/do/kill?feed=fx").text


def test_kill__without_argo_says_so_and_the_other_verbs_stay(bank: Bank, people: People) -> None:
    people.environ |= {"ARGO_SERVER": "http://127.0.0.1:1", "ARGO_NAMESPACE": "argo"}
    kim = people.browser("kim")
    assert kim.get("/do/kill?feed=fx").status_code == 503
    assert kim.get("/do/hold?feed=fx").status_code == 200


def test_local__serves_the_board_of_its_world(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "local", f"--folder={tmp_path}", "--board"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        try:
            line = next(each for each in parent.stdout if each.startswith("The board: "))
            address = line.split()[2]
            with httpx.Client(headers={"Accept": "text/html"}, timeout=20) as client:
                eventually(lambda: listens(address), 20)
                assert client.get(address).status_code == 200
                home = address.partition("/sign-in")[0]
                eventually(lambda: ">fx</a>" in client.get(home).text, 20)
                assert client.get(address).status_code == 401  # it worked once
        finally:
            parent.terminate()
    assert (tmp_path / "board.log").stat().st_mode & 0o077 == 0
    assert not listens(address)


def listens(address: str) -> bool:
    host, _, port = address.split("/")[2].partition(":")
    with socket.socket() as found:
        return found.connect_ex((host, int(port))) == 0


def test_previews__have_korean_for_every_code() -> None:
    assert KO.keys() == EN.keys() >= previews.WORDS.keys()
    for code, words in EN.items():
        assert set(re.findall(r"{\w+}", KO[code])) <= {*re.findall(r"{\w+}", words), "{feed}"}, code


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "board.bank", "::"])  # noqa: S104 -- refused here
def test_local__is_refused_on_an_address_that_others_reach(host: str) -> None:
    with pytest.raises(Misconfigured, match=r"127\.0\.0\.1"):
        sign_in_of({}, "local", host, 8080, print)


def test_settings__that_are_wrong_end_the_start(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("x" * 31)
    for wrong in (str(tmp_path / "short"), str(tmp_path / "none")):
        with pytest.raises(Misconfigured, match="FEEDFALL_BOARD_KEY_FILE"):
            key_of({"FEEDFALL_BOARD_KEY_FILE": wrong})
    with pytest.raises(Misconfigured, match="production, test, local"):
        place_of({"FEEDFALL_BOARD_PLACE": "prod"})
    with pytest.raises(Misconfigured, match="FEEDFALL_BOARD_ISSUER"):
        sign_in_of({}, "production", "127.0.0.1", 8080, print)
