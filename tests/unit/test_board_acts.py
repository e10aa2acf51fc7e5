"""A verb on the board: previewed, with a reason, from the board's own page, by somebody who may."""

from __future__ import annotations

import json
import re

import pytest

from board_client import Browser, signed_in
from board_desk import MemoryActs, app_of, board_of, local_sign_in, night
from ledger.errors import Misconfigured, Transient
from service.board.sources import Changed

HOLD = "/do/hold?feed=fx&day=2026-11-24"


@pytest.fixture
def acts() -> MemoryActs:
    return MemoryActs()


@pytest.fixture
def browser(acts: MemoryActs) -> Browser:
    sign_in, printed = local_sign_in()
    return signed_in(app_of(board_of(lambda _: night(), sign_in, acts=acts)), printed[0])


def form_of(browser: Browser, address: str = HOLD, reason: str = "월말 점검") -> dict[str, str]:
    """The fields of the preview's form, as a browser would send them."""
    page = browser.get(address).text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    return {**hidden, "reason": reason}


def test_act__is_done_once_with_who_and_why(browser: Browser, acts: MemoryActs) -> None:
    answer = browser.post("/do/hold", form_of(browser))
    assert answer.status_code == 200
    ((actor, verb, target, reason),) = acts.done
    assert (actor.who, actor.role, actor.channel, actor.address) == ("kim", "operator", "board", "127.0.0.1")
    assert (verb, target.feed, str(target.base_date), reason) == ("hold", "fx", "2026-11-24", "월말 점검")


def test_preview__does_nothing(browser: Browser, acts: MemoryActs) -> None:
    page = browser.get(HOLD).text
    assert "다음 묶음에서 멈춥니다" in page
    assert acts.done == []


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "hid\u202eden", "two\nlines"])
def test_act__needs_a_reason_that_can_be_read(browser: Browser, acts: MemoryActs, reason: str) -> None:
    answer = browser.post("/do/hold", form_of(browser, reason=reason))
    assert answer.status_code == 422
    assert 'role="alert" id="trouble"' in answer.text
    assert acts.done == []


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "", "Origin": "null"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_act__from_another_site_is_refused(browser: Browser, acts: MemoryActs, headers: dict[str, str]) -> None:
    assert browser.post("/do/hold", form_of(browser), **headers).status_code == 403
    assert acts.done == []


def test_act__needs_the_forms_token_for_this_verb_feed_and_session(browser: Browser, acts: MemoryActs) -> None:
    good = form_of(browser)
    until, _, signature = good["token"].partition(".")
    bad = ["", "x", f"{until}.", f"{int(until) + 1}.{signature}", f"1.{signature}", "٣.x", "9" * 30 + ".x", "é.é"]
    for token in bad:
        assert browser.post("/do/hold", {**good, "token": token}).status_code == 403, token
    assert browser.post("/do/kill", good).status_code == 403
    assert browser.post("/do/hold", {**good, "feed": "bond"}).status_code == 403
    assert browser.post("/do/hold", {**good, "day": "2026-11-23"}).status_code == 403
    assert acts.done == []


def test_act__of_one_session_is_nothing_in_another(acts: MemoryActs) -> None:
    sign_in, printed = local_sign_in()
    app = app_of(board_of(lambda _: night(), sign_in, acts=acts))
    first, second = signed_in(app, printed[0]), signed_in(app, printed[1])
    assert second.post("/do/hold", form_of(first)).status_code == 403
    assert acts.done == []


def test_act__asks_again_when_the_world_has_changed_and_keeps_the_reason(browser: Browser, acts: MemoryActs) -> None:
    form = form_of(browser)
    acts.state = "2"
    answer = browser.post("/do/hold", form)
    assert answer.status_code == 409
    assert "그사이 상황이 바뀌었습니다" in answer.text
    assert 'value="월말 점검"' in answer.text
    assert browser.post("/do/hold", form_again(answer.text)).status_code == 200
    assert len(acts.done) == 1


def form_again(page: str) -> dict[str, str]:
    return {**dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)), "reason": "again"}


def test_json__is_refused_with_a_cookie_alone(browser: Browser, acts: MemoryActs) -> None:
    body = json.dumps({"feed": "fx", "reason": "x"})
    headers = {"Content-Type": "application/json"}
    assert browser.send("POST", "/do/hold", headers, content=body).status_code == 403
    assert acts.done == []


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/do/nothing?feed=fx", 404),
        ("/do/redrive?feed=fx", 404),  # no verb of these acts
        ("/do/hold?feed=nobody", 404),
        ("/do/hold", 404),
        ("/do/hold?feed=fx&day=2026-13-01", 404),
        ("/do/hold?feed=fx&name=%1b[31m", 422),
    ],
)
def test_preview__of_what_is_not_there_is_refused(browser: Browser, address: str, status: int) -> None:
    assert browser.get(address).status_code == status


def test_body__too_long_is_refused_before_it_is_read(browser: Browser) -> None:
    assert browser.post("/do/hold", {**form_of(browser), "reason": "x" * 20_000}).status_code == 413


class Failing(MemoryActs):
    """Acts whose database fails in a given way."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def act(self, *_: object) -> None:  # type: ignore[override] # it never returns
        raise self.error


@pytest.mark.parametrize(
    ("error", "status"), [(Transient("away"), 503), (Misconfigured("held by lee"), 409), (Changed(), 409)]
)
def test_act__that_fails_says_so_and_is_never_shown_as_done(error: Exception, status: int) -> None:
    sign_in, printed = local_sign_in()
    browser = signed_in(app_of(board_of(lambda _: night(), sign_in, acts=Failing(error))), printed[0])
    answer = browser.post("/do/hold", form_of(browser))
    assert answer.status_code == status
    assert "됨:" not in answer.text
