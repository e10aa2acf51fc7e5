"""The board's pages: what is shown, in both languages, and that nothing of a feed is ever markup."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest

from board_client import Browser, signed_in
from board_desk import EVIL, NOW, MemoryActs, app_of, at, board_of, calm, local_sign_in, night
from ledger.errors import Transient
from operate.desk.audit import JournalLine
from operate.desk.desk import Band, DatabaseState, Desk, FeedDay, State
from service.board.html import FOLDER
from service.board.sources import PendingApproval, QuarantinedRow, Sources
from service.board.texts import TABLES
from service.board.tonight import GROUPS, Choice, group, tonight


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def browser_of(read: object = None, **more: object) -> Browser:
    sign_in, printed = local_sign_in()
    board = board_of(read or (lambda _: night()), sign_in, **more)  # type: ignore[arg-type]
    return signed_in(app_of(board), printed[0])


class Tags(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def scripts(self) -> list[dict[str, str | None]]:
        return [each for tag, each in self.tags if tag == "script"]


PAGES = (
    "/",
    "/?feed=evil&day=2026-11-24",
    "/feeds/evil",
    "/feeds/evil/2026-11-24",
    "/runs/85",
    "/quarantine",
    "/audit",
    "/approvals",
)


def evil_sources() -> dict[str, object]:
    line = JournalLine(NOW, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, detail={EVIL: EVIL})
    row = QuarantinedRow(1, EVIL, None, NOW, EVIL, EVIL + "x" * 1_000_000)
    asked = PendingApproval(EVIL, "accept", EVIL, EVIL, NOW, NOW, EVIL, [EVIL])
    return {"audit": lambda *_: [line], "quarantine": lambda *_: [row], "approvals": lambda: [asked]}


@pytest.mark.parametrize("address", PAGES)
@pytest.mark.parametrize("language", ["ko", "en"])
def test_page__shows_hostile_values_as_text(address: str, language: str) -> None:
    browser = browser_of(**evil_sources())
    browser.cookies.set("feedfall_language", language)
    answer = browser.get(address)
    assert answer.status_code == 200
    page = Tags(answer.text)
    assert [each["src"] for each in page.scripts() if not str(each["src"]).startswith("/static/")] == []
    assert not [tag for tag, _ in page.tags if tag in ("img", "iframe", "object", "base")]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith(("on", "style"))]
    assert "&lt;script&gt;alert(1)" in answer.text
    assert "\\u202e" in answer.text
    assert not set(answer.text) & set("\u202e\x1b")


def test_page__cuts_a_value_of_a_megabyte_and_says_how_much() -> None:
    page = browser_of().get("/").text
    assert len(page) < 60_000
    assert "(+998007자)" in page


def test_search__words_come_back_as_text() -> None:
    page = browser_of().get("/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&show=%22%3E%3Cb%3E").text
    assert [each["src"] for each in Tags(page).scripts() if not str(each["src"]).startswith("/static/")] == []
    assert "&lt;script&gt;" in page


def test_texts__have_the_same_names_and_values_in_both_languages() -> None:
    ko, en = TABLES["ko"], TABLES["en"]
    assert list(ko) == list(en)
    for name, words in ko.items():
        assert set(re.findall(r"{\w+}", words)) == set(re.findall(r"{\w+}", en[name])), name
    assert [name for name, words in en.items() if re.search("[가-힣]", words)] == ["other_language"]
    assert not [words for words in ko.values() if re.search(r"[은이을]\([는가를]\)", words)]


def test_texts__are_each_used_by_a_page() -> None:
    source = "\n".join(each.read_text() for each in (*FOLDER.glob("*.py"), *FOLDER.glob("templates/*.html")))
    families = ("place.", "nav.", "role.", "count.", "state.", "verb.", "column.", "error.")
    unused = [name for name in TABLES["ko"] if f'"{name}"' not in source and not name.startswith(families)]
    assert unused == []


@pytest.mark.parametrize(
    "address", ["/", "/feeds/fx", "/feeds/fx/2026-11-24", "/runs/81", "/do/hold?feed=fx&day=2026-11-24"]
)
def test_page__english_has_no_korean_but_the_name_of_the_language(address: str) -> None:
    browser = browser_of(lambda _: night(hostile=False))
    browser.cookies.set("feedfall_language", "en")
    page = re.sub(r"<a class=\"language\".*?</a>", "", browser.get(address).text, flags=re.DOTALL)
    page = page.replace("월말 정합성 점검", "")  # a person's own reason
    assert re.findall("[가-힣]+", page) == []
    assert '<html lang="en">' in page


def test_language__is_the_browsers_until_one_is_chosen() -> None:
    browser = browser_of()
    assert '<html lang="ko">' in browser.get("/").text
    assert '<html lang="en">' in browser.get("/", **{"Accept-Language": "en-GB,ko;q=0.5"}).text
    assert browser.get("/language?to=en&back=/feeds/fx").headers["location"] == "/feeds/fx"
    assert '<html lang="en">' in browser.get("/").text


@pytest.mark.parametrize(
    "back", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "/%0d%0aSet-Cookie:x=1"]
)
def test_language__leads_nowhere_else(back: str) -> None:
    assert browser_of().get(f"/language?to=en&back={back}").headers["location"] == "/"


def test_counts__are_a_partition_of_the_night() -> None:
    desk = night()
    found = tonight(desk, Choice())
    assert sum(found.counts.values()) == len(desk.days)
    assert set(found.counts) == set(GROUPS)
    assert sum(map(len, found.bands.values())) == len(desk.days)


def test_filter__shows_one_group_alone() -> None:
    page = browser_of().get("/?show=closed").text
    assert ">ecb</a>" in page
    assert ">fx</a>" not in page


def test_band__worst_first_and_rows_in_quarantine_need_a_person() -> None:
    found = tonight(night(), Choice())
    assert [each.feed for each in found.bands[Band.ACT]] == ["bond", "evil", "fx", "stock", "index"]
    assert group(found.bands[Band.ACT][-1]) == "act"
    assert found.bands[Band.ACT][-1].state is State.ARRIVED


def test_page__says_when_nothing_needs_anybody_and_what_comes_next() -> None:
    page = unescape(browser_of(lambda _: calm()).get("/").text)
    assert "조치할 것 없음. 확인 03:12:00." in page
    assert "다음: swap 03:36." in page


def test_picture__ages_then_is_stale_and_takes_the_verbs_away() -> None:
    clock = Clock()
    browser = browser_of(clock=clock)
    assert 'class="board fresh"' in browser.get("/").text
    clock.now += 11
    aging = browser.get("/").text
    assert 'class="board aging"' in aging
    assert "/do/rerun" in aging
    clock.now += 50
    stale = browser.get("/").text
    assert 'class="board stale"' in stale
    assert "03:12 KST의 모습" in stale
    assert "/do/" not in stale
    assert browser.get("/do/hold?feed=fx").status_code == 503


def test_page__without_any_picture_says_so_and_is_not_an_error() -> None:
    def away(_: object) -> Desk:
        raise Transient("connection refused")

    answer = browser_of(away).get("/")
    assert (answer.status_code, "connection refused" in answer.text) == (200, True)
    assert browser_of(away).get("/feeds/fx").status_code == 503
    assert browser_of(away).get("/readyz").status_code == 503
    assert browser_of(away).get("/healthz").status_code == 200


def test_warning__nobody_watches_and_a_database_is_away() -> None:
    old = [DatabaseState("", NOW, sweep_good_at=at(-0.06)), DatabaseState("stk", None, "refused")]
    page = browser_of(lambda _: Desk(NOW, (), databases=old)).get("/").text
    assert "아무도 지켜보지 않음: 기본 데이터베이스의 마지막 정상 점검 03:08 KST" in page
    assert "stk 응답 없음. 한 번도 읽지 못했습니다." in page
    assert "아무도 지켜보지 않음: stk, 정상 점검 기록 없음" in page


def test_page__is_small_compressed_and_answered_304() -> None:
    desk = night(hostile=False)
    many = [each for n in range(8) for each in (renamed(one, n) for one in desk.days)]
    browser = browser_of(lambda _: Desk(NOW, many, desk.feeds, desk.runs, desk.databases))
    first = browser.get("/", **{"Accept-Encoding": "gzip"})
    assert len(many) > 200
    sent = int(first.headers["content-length"])
    for name in set(re.findall(r"/static/[\w.]+", first.text)):
        sent += len(gzip.compress(browser.get(name).content, 9))
    assert sent < 60_000
    again = browser.get("/", **{"Accept-Encoding": "gzip", "If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def renamed(one: FeedDay, number: int) -> FeedDay:
    return replace(one, feed=f"{one.feed}-{number}")


def test_fragment__is_the_board_alone_for_a_refresh() -> None:
    browser = browser_of()
    part = browser.get("/", **{"HX-Request": "true"})
    assert part.text.startswith('<div id="board"')
    assert "<html" not in part.text
    assert part.headers["x-taken-at"] == "03:12:00"


def test_navigation__has_no_page_that_nothing_fills() -> None:
    page = browser_of().get("/").text
    assert not re.search(r'href="/(audit|handover|quarantine|approvals|calendar)', page)
    for name in ("audit", "handover", "quarantine", "approvals", "calendar/BANK/2026-11"):
        assert browser_of().get(f"/{name}").status_code == 404
    assert 'href="/audit"' in browser_of(**evil_sources()).get("/").text


def test_verbs__are_only_those_that_are_connected() -> None:
    sign_in, printed = local_sign_in()
    board = board_of(lambda _: night(), sign_in, acts=None)
    page = signed_in(app_of(board), printed[0]).get("/").text
    assert "/do/" not in page
    assert "/do/redrive" not in browser_of(acts=MemoryActs()).get("/").text


def test_sources__nothing_is_there_by_itself() -> None:
    bare = Sources(lambda _: night(), lambda *_: "")
    assert not any((bare.calendars, bare.acts, bare.audit, bare.approvals, bare.quarantine, bare.handover))
