"""What a command prints: values from partners are shown, and never obeyed by the terminal."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
from typer.testing import CliRunner

from cli import show
from cli.__main__ import app
from ledger import printable
from ledger.printable import Unprintable

#: A value as a partner may send it → how a cell shows it.
CELLS = [
    ("원화 KRW · € 1,000", "원화 KRW · € 1,000"),  # letters, marks and signs stay
    ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),  # colours
    ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),  # OSC: a window's title
    ("\x9b31m", "\\x9b31m"),  # U+009B is ESC [ in one character
    ("\x9d0;owned\x9c", "\\x9d0;owned\\x9c"),  # OSC likewise
    ("a\rb\x08c\x7f", "a\\rb\\x08c\\x7f"),  # over what was written before
    ("one\ntwo\tthree", "one\\ntwo\\tthree"),  # a cell is one line
    ("\x00", "\\x00"),
    ("abc\u202edcba", "abc\\u202edcba"),  # right to left
    ("\u2066\u2069\u200e\u200f\u061c", "\\u2066\\u2069\\u200e\\u200f\\u061c"),  # the other bidirectional marks
    ("K\u200bRW\ufeff", "K\\u200bRW\\ufeff"),  # nothing to see
    ("\U000e0041", "\\U000e0041"),  # tags
    ("\u2028\u2029", "\\u2028\\u2029"),  # line ends of Unicode
    ("\ud800", "\\ud800"),  # half a character
    (b"\x1b[2J\xff", "\\x1b[2J\\xff"),  # bytes
    (memoryview(b"\xe2\x80\xae"), "\\u202e"),
]


@pytest.mark.parametrize(("value", "cell"), CELLS)
def test_word__shows_what_a_terminal_would_obey(value: object, cell: str) -> None:
    assert show.word(value) == cell


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (True, "yes"),
        (1234567, "1,234,567"),
        (0.25, "0.2"),
        (date(2026, 9, 24), "2026-09-24"),
        (datetime(2026, 11, 22, 17, 18, tzinfo=UTC), "2026-11-23 02:18:00 KST"),  # with its year
    ],
)
def test_word__of_other_kinds(value: object, cell: str) -> None:
    assert show.word(value) == cell


@pytest.mark.parametrize(("value", "cell"), [each for each in CELLS if isinstance(each[0], str)])
def test_table__has_no_dangerous_character(capsys: pytest.CaptureFixture[str], value: str, cell: str) -> None:
    show.table(("reason", "n"), [(value, 1)], empty="")
    assert capsys.readouterr().out.splitlines()[1].split("  ")[0].strip() == cell


def test_say__keeps_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    show.say("one\n\ttwo \x1b]0;x\x07 \u202e")
    show.say("\x9b", err=True)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("one\n\ttwo \\x1b]0;x\\x07 \\u202e\n", "\\x9b\n")


def test_as_json__is_the_same_document_without_a_dangerous_character(capsys: pytest.CaptureFixture[str]) -> None:
    sent = {"원": [value for value, _ in CELLS if isinstance(value, str)], "\u202e": "key"}
    show.as_json(sent)
    printed = capsys.readouterr().out
    assert json.loads(printed) == sent
    assert "원화 KRW · € 1,000" in printed
    assert printed.replace("\n", "") == printable.escaped(printed.replace("\n", ""))


@pytest.mark.parametrize("text", [value for value, cell in CELLS if value != cell and isinstance(value, str)])
def test_check__refuses_what_cannot_be_seen(text: str) -> None:
    with pytest.raises(Unprintable, match=r"^reason has the character U\+[0-9A-F]{4,5}, which cannot be seen"):
        printable.check(who="kim", reason=text)


def test_check__takes_every_script() -> None:
    printable.check(reason="임시공휴일 · 臨時休業 · Ünlü — 100 % (€)", evidence="관보 제20412호, https://gwanbo.go.kr")


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("hold", "fx", "--reason=why\x1b[2J"), "--reason"),
        (("free", "fx", "--reason=why", "--by=\u202emik"), "--by"),
        (("kill", "fx-sub-abc", "--reason=why\x07"), "--reason"),
        (("submit", "fx-pub", "--reason=\u200b"), "--reason"),
        (("submit", "fx-pub", "--by=kim\x9b"), "--by"),
        (("calendar", "declare", "BANK", "20261224", "--closed", "--reason=why", "--evidence=a\nb"), "--evidence"),
        (("calendar", "withdraw", "BANK", "20261224", "--reason=a\x00b"), "--reason"),
    ],
)
def test_command__refuses_a_reason_that_cannot_be_seen(words: tuple[str, ...], option: str) -> None:
    result = CliRunner().invoke(app, list(words))
    assert isinstance(result.exception, Unprintable), result
    assert str(result.exception).startswith(f"{option} has the character U+")
