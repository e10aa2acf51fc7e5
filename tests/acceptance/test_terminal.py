"""What a partner sends is shown on an operator's terminal, and never obeyed by it."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING
from unicodedata import category

import pytest
from typer.testing import CliRunner

from cli.__main__ import app

if TYPE_CHECKING:
    from bank import Bank, Door

#: A title (OSC), colours (ESC, U+009B), a line of its own, right-to-left marks, half a character.
HOSTILE = "\x1b]0;owned\x07\x1b[31m\x9b32m\r\nfx  0@0 loaded\u202eKRW\u2066\u200f".encode() + b"\xff"
DANGEROUS = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.fixture
def quarantined(bank: Bank, door: Door) -> Bank:
    bank.create("fx", partitions=1)
    bank.respond("fx", [{"base_date": "2026-10-30", "currency": "USD", "rate": "1500.5"}], date(2026, 10, 30), seq=2)
    bank.send(bank.topic("fx"), HOSTILE, key=HOSTILE, headers=[("note", HOSTILE)], partition=0)
    assert door("sub", "--feed=fx").counts("loaded", "quarantined") == [1, 1]
    return bank


@pytest.mark.parametrize(
    "words",
    [
        ("quarantine", "list", "fx"),
        ("quarantine", "list", "fx", "--json"),
        ("quarantine", "show", "fx", "0@1"),
        ("quarantine", "show", "fx", "0@1", "--json"),
        ("quarantine", "discard", "fx", "0@1", "--reason=no row", "--by=kim"),
        ("newest", "fx"),
        ("newest", "fx", "--json"),
        ("runs",),
        ("runs", "--json"),
    ],
)
def test_command__prints_nothing_that_a_terminal_obeys(quarantined: Bank, words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, list(words), env=quarantined.environ, catch_exceptions=False)
    assert {each for each in done.stdout if category(each) in DANGEROUS} <= {"\n"}
    assert "fx  0@0 loaded" not in [line[:14] for line in done.stdout.splitlines()[:2]]
    if "--json" in words:
        json.loads(done.stdout)


def test_show__has_every_character_as_its_escape(quarantined: Bank) -> None:
    done = CliRunner().invoke(app, ["quarantine", "show", "fx", "0@1"], env=quarantined.environ, catch_exceptions=False)
    for escape in ("\\x1b]0;owned\\x07", "\\x9b32m", "\\u202eKRW\\u2066\\u200f", "\\xff"):
        assert escape in done.stdout
    (header,) = (line for line in done.stdout.splitlines() if line.startswith("header") and "note" in line)
    assert "\\r\\nfx  0@0 loaded" in header
