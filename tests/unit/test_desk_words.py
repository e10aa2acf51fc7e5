"""The desk's words: one table a language, the same codes and parameters, and no particle that a value decides."""

from __future__ import annotations

import ast
import re
from datetime import UTC, date, datetime
from pathlib import Path
from string import Formatter

import pytest

from ledger.errors import Misconfigured
from operate.desk import words
from operate.desk.desk import Band, State, Why
from operate.desk.handover import HEADINGS
from operate.desk.verbs import VERBS
from operate.desk.words import desk_zone, en, ko, length, sentence

ROOT = Path(__file__).parents[2]
SEOUL = desk_zone({})
AT = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
#: The last part: at the end of a word that ends the clause, as in `…29행이 왔음`.
PARTICLE = re.compile(r"\}(회|행)?['\"”)\]]*\s?(은|는|이|가|을|를|와|과|로|으로|이나|나|이라|라)(?=[\s.,:]|$)")


def _parameters(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def _codes_of(*files: str) -> set[str]:
    """The codes that the source can give: the first argument of each `Why(…)`."""
    trees = (ast.parse((ROOT / file).read_text(encoding="utf-8")) for file in files)
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    whys = (call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Why")
    return {str(call.args[0].value) for call in whys if isinstance(call.args[0], ast.Constant)}


def test_words__both_languages_have_the_same_codes_and_parameters() -> None:
    assert {code: _parameters(text) for code, text in en.SENTENCES.items()} == {
        code: _parameters(text) for code, text in ko.SENTENCES.items()
    }
    assert _parameters(en.LATE) == _parameters(ko.LATE)
    for name in ("UNITS", "STATES", "BANDS", "VERBS", "HEADINGS", "COLUMNS"):
        assert list(getattr(en, name)) == list(getattr(ko, name)), name


def test_words__every_code_that_the_desk_gives_has_a_sentence_and_no_sentence_is_left_over() -> None:
    given = _codes_of(*(f"operate/desk/{name}.py" for name in ("why", "read", "states", "affair", "handover")))
    assert given == set(en.SENTENCES)


def test_words__every_state_band_and_verb_has_a_word() -> None:
    assert set(en.STATES) == set(State)
    assert set(en.BANDS) == set(Band)
    assert tuple(en.HEADINGS) == HEADINGS
    assert {verb for verbs in VERBS.values() for verb in verbs} <= set(en.VERBS)
    assert set(VERBS) <= set(en.SENTENCES)


@pytest.mark.parametrize("template", [*ko.SENTENCES.values(), ko.LATE])
def test_words__no_korean_particle_follows_a_value(template: str) -> None:
    assert not PARTICLE.search(template), template


def test_particle__the_rule_finds_one() -> None:
    assert all(PARTICLE.search(text) for text in ("{run}이 임대를", "{rows}행을 적재", "“{words}” 로", "{at}에 {by}가"))


def test_sentence__says_how_late_in_both_languages_with_the_zone_and_the_date() -> None:
    why = Why("unanswered", {"at": AT, "late_minutes": 27})
    assert sentence(why, "ko", SEOUL) == "미도착 27분. 요청 전송: 2026-11-25 01:00 KST. 응답 없음."
    assert sentence(why, "en", desk_zone({"FEEDFALL_ZONE": "Europe/Brussels"})) == (
        "27 min late. Its request was sent at 2026-11-24 17:00 CET and has no answer."
    )


def test_sentence__a_partners_words_neither_break_a_line_nor_turn_it_around() -> None:
    hostile = "no\nRESULT \x1b[31m \u202edate {at} <b>"
    for language in words.LANGUAGES:
        said = sentence(Why("refused", {"at": AT, "words": hostile}), language, SEOUL)
        assert r"no\nRESULT \x1b[31m \u202edate {at} <b>" in said
        assert not set(said) & set("\n\x1b\u202e")


def test_sentence__what_is_not_known_is_a_dash() -> None:
    assert sentence(Why("not-watched", {"at": None}), "en", SEOUL).endswith("Rows came last at -.")


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(0, "0 min"), (27, "27 min"), (60, "1 h"), (190, "3 h 10 min"), (1440, "1 d"), (3000, "2 d 2 h")],
)
def test_length__two_units_at_most(minutes: int, said: str) -> None:
    assert length(minutes, en.UNITS) == said


def test_value__a_date_stays_a_date_and_a_code_has_no_comma() -> None:
    assert words.shown_as("day", date(2026, 10, 30), "ko", SEOUL) == "2026-10-30"
    assert (words.shown_as("rows", 1234, "ko", SEOUL), words.shown_as("pid", 1234, "ko", SEOUL)) == ("1,234", "1234")


def test_zone__a_wrong_one_is_refused_with_what_to_write() -> None:
    with pytest.raises(Misconfigured, match="FEEDFALL_ZONE is 'Seoul': write a time zone such as Asia/Seoul"):
        desk_zone({"FEEDFALL_ZONE": "Seoul"})
