"""The government's list of holidays, over real HTTP: the shapes and errors it was seen to answer with, and its lies."""

import logging
import traceback
from collections.abc import Callable
from datetime import date

import pytest

import hostile
from ledger.errors import DataRefused, Failure, Misconfigured, Transient
from memory import peak_below
from operate.calendar import kasi
from operate.calendar.kasi import QuotaUsed
from portal import answer, rows, serving

KEY = "a+b/c=="  # as Decoding keys look

#: Recorded on 2026-09-30.
MANY = (
    '{"response":{"header":{"resultCode":"00","resultMsg":"NORMAL SERVICE."},"body":{"items":{"item":['
    '{"dateKind":"01","dateName":"개천절","isHoliday":"Y","locdate":20261003,"seq":1},'
    '{"dateKind":"01","dateName":"대체공휴일(개천절)","isHoliday":"Y","locdate":20261005,"seq":1}'
    ']},"numOfRows":100,"pageNo":1,"totalCount":2}}}'
)
ONE = (
    '{"response":{"header":{"resultCode":"00","resultMsg":"NORMAL SERVICE."},"body":{"items":{"item":'
    '{"dateKind":"01","dateName":"기독탄신일","isHoliday":"Y","locdate":20261225,"seq":1}'
    '},"numOfRows":100,"pageNo":1,"totalCount":1}}}'
)
NOTHING = (
    '{"response":{"header":{"resultCode":"00","resultMsg":"NORMAL SERVICE."},'
    '"body":{"items":"","numOfRows":100,"pageNo":1,"totalCount":0}}}'
)
XML_ERROR = (
    "<OpenAPI_ServiceResponse><cmmMsgHeader><errMsg>SERVICE ERROR</errMsg>"
    "<returnAuthMsg>{words}</returnAuthMsg><returnReasonCode>{code}</returnReasonCode>"
    "</cmmMsgHeader></OpenAPI_ServiceResponse>"
)
JSON_ERROR = (
    '{{"OpenAPI_ServiceResponse":{{"cmmMsgHeader":{{"errMsg":"SERVICE ERROR",'
    '"returnAuthMsg":"{words}","returnReasonCode":"{code}"}}}}}}'
)
BARE_ERROR = '{{"resultCode":"{code}","resultMsg":"{words}"}}'
HEADER_ERROR = '{{"response":{{"header":{{"resultCode":"{code}","resultMsg":"{words}"}}}}}}'
ERRORS = (XML_ERROR, JSON_ERROR, BARE_ERROR, HEADER_ERROR)


NEW_YEAR = rows((20260101, "1월1일"))


def ask(*answers: tuple[int, str], year: int = 2026) -> kasi.Published | None:
    with serving(*answers) as (_, url):
        return kasi.ask(KEY, year, url, pause=0.0)


# What it says


def test_many_holidays__are_a_list() -> None:
    found = kasi.read(MANY, 200, 2026)
    assert found == kasi.Published(2026, {date(2026, 10, 3): "개천절", date(2026, 10, 5): "대체공휴일(개천절)"})


def test_one_holiday__is_no_list() -> None:
    assert kasi.read(ONE, 200, 2026) == kasi.Published(2026, {date(2026, 12, 25): "기독탄신일"})


def test_nothing__is_a_year_that_is_not_published() -> None:
    assert ask((200, NOTHING), year=2028) is None


def test_a_day_with_two_names__is_one_day() -> None:
    found = ask((200, answer([*NEW_YEAR, *rows((20260505, "어린이날"), (20260505, "부처님오신날"))])))
    assert found
    assert found.holidays[date(2026, 5, 5)] == "어린이날; 부처님오신날"


def test_question__is_of_one_whole_year_with_the_key_encoded_once() -> None:
    with serving((200, answer(NEW_YEAR))) as (portal, url):
        kasi.ask(KEY, 2026, url)
    assert portal.paths == ["/service/getRestDeInfo"]
    assert portal.asked == [
        {"serviceKey": [KEY], "solYear": ["2026"], "numOfRows": ["100"], "pageNo": ["1"], "_type": ["json"]}
    ]


# Its lies


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (answer(NEW_YEAR, total=21), "counts 21 rows of 2026, and sent 1"),  # numOfRows was not obeyed
        (answer([], total=3), "counts 3 rows of 2026, and sent 0"),
        (answer([*NEW_YEAR, *rows((20251225, "기독탄신일"))]), "was asked for 2026, and sent 2025-12-25"),
        (answer([*NEW_YEAR, *NEW_YEAR]), "sent a row twice, so perhaps another not at all: 2026-01-01 1월1일"),
        (answer(rows((20261225, "기독탄신일"))), "sent 2026 without 1 January: that is not the whole year"),
        (answer(rows((20260101, "1월1일"), flag="N")), "sent 2026 without 1 January"),
        (answer(rows((20260231, "무슨날"))), "sent 20260231, which is no date"),
        (answer(rows((20260101, "1월1일"), flag="X")), "in a form that is not known: Input should be 'Y' or 'N'"),
        (answer([{"dateName": "1월1일"}]), "in a form that is not known: Field required"),
        ('{"response":{"header":{"resultCode":"00"}}}', "in a form that is not known"),
        ('{"response":{"header":{"resultCode":"00"},"body":"later"}}', "in a form that is not known"),
        ("[]", "neither JSON nor an error that is known"),
        ("<html>점검 중</html>", "neither JSON nor an error that is known: '<html>점검 중</html>'"),
        (
            "<response><header><resultCode>00</resultCode></header></response>",
            "neither JSON nor an error",
        ),  # _type unheard
    ],
)
def test_a_lie__is_refused_with_what_contradicts_what(text: str, said: str) -> None:
    with pytest.raises(DataRefused, match=said):
        ask((200, text))


def test_a_row_that_is_no_holiday__is_none_and_is_told() -> None:
    found = ask((200, answer([*NEW_YEAR, *rows((20260717, "제헌절"), flag="N")])))
    assert found == kasi.Published(2026, {date(2026, 1, 1): "1월1일"}, {date(2026, 7, 17): "제헌절"})


# Its errors


@pytest.mark.parametrize("form", ERRORS)
@pytest.mark.parametrize("status", [200, 401, 403, 500])
def test_error__is_read_from_its_envelope_whatever_the_status(form: str, status: int) -> None:
    text = form.format(code="30", words="SERVICE_KEY_IS_NOT_REGISTERED_ERROR")
    with pytest.raises(Misconfigured, match="30 SERVICE_KEY_IS_NOT_REGISTERED_ERROR: the key is not registered"):
        ask((status, text))


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("01", Transient),
        ("04", Transient),
        ("05", Transient),
        ("10", DataRefused),
        ("12", DataRefused),
        ("20", Misconfigured),
        ("22", QuotaUsed),
        ("23", Transient),
        ("31", Misconfigured),
        ("32", Misconfigured),
        ("99", Transient),
    ],
)
def test_error__becomes_the_failure_that_says_what_to_do(code: str, failure: type[Failure]) -> None:
    with pytest.raises(failure, match=f"data.go.kr refuses with {code} WORDS") as caught:
        ask((200, XML_ERROR.format(code=code, words="WORDS")))
    assert type(caught.value) is failure


@pytest.mark.parametrize(
    ("status", "failure"),
    [(401, Misconfigured), (403, Misconfigured), (404, DataRefused), (429, Transient), (502, Transient)],
)
def test_status__counts_where_no_envelope_is(status: int, failure: type[Failure]) -> None:
    with pytest.raises(failure, match=f"data.go.kr answered HTTP {status}"):
        ask((status, "<html></html>"))


def test_trouble__is_asked_again_and_may_pass() -> None:
    assert ask((200, XML_ERROR.format(code="04", words="HTTP_ERROR")), (503, ""), (200, answer(NEW_YEAR)))


@pytest.mark.parametrize(("code", "asked"), [("04", 3), ("22", 1), ("30", 1)])
def test_trouble__is_asked_again_only_where_that_may_help(code: str, asked: int) -> None:
    with serving((200, XML_ERROR.format(code=code, words="WORDS"))) as (portal, url):
        with pytest.raises(Failure):
            kasi.ask(KEY, 2026, url, pause=0.0)
        assert len(portal.asked) == asked


def test_nobody_there__is_transient() -> None:
    with serving((200, "")) as (_, url):
        pass
    with pytest.raises(Transient, match="out of reach: ConnectError"):
        kasi.ask(KEY, 2026, url, pause=0.0)


# The key


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "not set: FEEDFALL_KASI_KEY"),
        ("a%2Bb%2Fc%3D%3D", "that is the portal's Encoding key. Give the Decoding key"),
    ],
)
def test_key__of_the_wrong_kind_is_refused_before_anybody_is_asked(key: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        kasi.ask(key, 2026, "http://127.0.0.1:1/")


@pytest.mark.parametrize("echo", ["a+b/c==", "a%2Bb%2Fc%3D%3D"])
def test_key__stands_in_no_log_line_and_no_error(caplog: pytest.LogCaptureFixture, echo: str) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(Misconfigured, match=r"KEY \*\*\* IS NOT") as caught:
        ask((200, XML_ERROR.format(code="30", words=f"KEY {echo} IS NOT REGISTERED")))
    for text in (caplog.text, "".join(traceback.format_exception(caught.value))):
        assert KEY not in text
        assert "%2B" not in text


# Answers made to cost time or memory


def nested(levels: int) -> str:
    return '{"response":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        nested(400),
        nested(900),
        nested(20_000),
        "<resultCode>" + " " * 500_000,
        "<" + "a" * 500_000,
        "<a>" * 100_000,
        answer([*NEW_YEAR, *[{"locdate": 20260101, "isHoliday": "Y", "dateName": f"{n}"} for n in range(5_000)]]),
        answer([{"locdate": 10**400, "isHoliday": "Y", "dateName": "x"}]),
        answer([{"locdate": 20260101, "isHoliday": "Y", "dateName": "\ud800"}]),
        answer([{"locdate": 19000101 + n * 10_000, "isHoliday": "Y", "dateName": "x"} for n in range(90)]),
        '{"response":{"header":{"resultCode":"00"},"body":{"items":7,"totalCount":7}}}',
        '{"response":{"header":{"resultCode":"00"},"body":{"items":"","totalCount":1e400}}}',
        '{"response":{"header":{"resultCode":"00"},"body":{"items":{"item":[[]]},"totalCount":1}}}',
        '{"response":{"header":{"resultCode":"00"},"body":[]}}',
        '{"response":{"header":{"resultCode":["00"]}}}',
    ],
)
def test_hostile_answer__is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(DataRefused) as caught:
        kasi.read(text, 200, 2026)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "script",
    [
        hostile.answer(hostile.twice_packed(), "Content-Encoding: gzip, gzip"),
        hostile.answer(b" " * 2**20 + b" "),
        hostile.flood,
    ],
)
def test_hostile_answer__of_too_many_bytes_is_refused(script: Callable[[hostile.Send], None]) -> None:
    with hostile.serving(script) as (_, url), peak_below(16 * 2**20), pytest.raises(DataRefused):
        kasi.ask(KEY, 2026, url, pause=0.0)


@pytest.mark.parametrize("script", [hostile.dripping, hostile.early_hints, hostile.silent])
def test_hostile_answer__that_never_ends_is_transient(script: Callable[[hostile.Send], None]) -> None:
    with hostile.serving(script) as (_, url), pytest.raises(Transient, match="out of reach: LateAnswer"):
        kasi.ask(KEY, 2026, url, pause=0.0, seconds=0.3)


def test_hostile_answer__of_a_strange_charset_is_refused() -> None:
    script = hostile.answer(b"x\x9c", "Content-Type: text/html; charset=zlib")
    with hostile.serving(script) as (_, url), pytest.raises(DataRefused, match="neither JSON"):
        kasi.ask(KEY, 2026, url, pause=0.0)
