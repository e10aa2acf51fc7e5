"""`feedfall free --all --code`: one repaired cause, and every feed that it had blocked goes on."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from bank import Bank, as_role
from cli.__main__ import app
from ledger import control
from ledger.database import connect
from ledger.errors import Misconfigured
from ledger.rights import Roles

if TYPE_CHECKING:
    from pathlib import Path

WHY = ("--reason=new password is in the Secret", "--by=kim")
BLOCKED = "SELECT feed, blocked_code FROM feedfall.feed_control WHERE blocked_at IS NOT NULL ORDER BY feed"


@pytest.fixture
def blocked(bank: Bank) -> Bank:
    """Two feeds that Kafka refused, of which one is held too, and one with a changed contract."""
    with closing(connect(bank.url, "test")) as connection:
        for feed, code in (("fx", 78), ("tick", 78), ("latest", 65)):
            control.block(connection, feed, "sub", code, f"the reason of {feed}")
        control.hold(connection, "tick", "lee", "audit")
        connection.commit()
    return bank


def free(bank: Bank, *words: str, **environ: str) -> Result:
    return CliRunner().invoke(app, ["free", *words], env={**bank.environ, **environ})


def test_free_all__lifts_the_blocks_of_that_code_alone(blocked: Bank) -> None:
    done = free(blocked, "--all", "--code=78", *WHY)
    assert done.exit_code == 0, done.exception
    assert done.stdout.splitlines() == [
        "fx is free; sub had blocked it: the reason of fx",
        "tick is no longer blocked, and stays held by lee: audit; sub had blocked it: the reason of tick",
        "2 feeds were blocked with 78.",
    ]
    assert blocked.rows(BLOCKED) == [("latest", 65)]
    assert blocked.rows("SELECT feed, held_reason FROM feedfall.feed_control WHERE held_at IS NOT NULL") == [
        ("tick", "audit")
    ]
    lines = (
        "SELECT feed, who, reason, role, (detail ->> 'code')::int FROM feedfall.journal"
        " WHERE verb = 'free' AND phase IS NULL ORDER BY id"
    )
    reason, role = "new password is in the Secret", Roles().operator
    assert blocked.rows(lines) == [(feed, "kim", reason, role, 78) for feed in ("fx", "tick")]


def test_free_all__again_finds_none(blocked: Bank) -> None:
    free(blocked, "--all", "--code=78", *WHY)
    assert free(blocked, "--all", "--code=78", *WHY).stdout == "No feed is blocked with 78.\n"


def test_free_all__is_an_operators(blocked: Bank) -> None:
    for role in (Roles().reader, Roles().pod):
        done = free(blocked, "--all", "--code=78", *WHY, DATABASE_URL=as_role(blocked.url, role))
        assert "the database role lacks a right" in str(done.exception)
    assert len(blocked.rows(BLOCKED)) == 3


def test_free_all__a_feed_file_that_cannot_be_imported_keeps_no_other_blocked(
    blocked: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_feeds").mkdir()
    (tmp_path / "broken_feeds" / "gold.py").write_text("def (")
    (tmp_path / "broken_feeds" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    feeds = f"{blocked.environ['FEEDFALL_FEEDS']},broken_feeds"
    done = free(blocked, "--all", "--code=78", *WHY, FEEDFALL_FEEDS=feeds)
    assert isinstance(done.exception, Misconfigured)  # nobody knows in which database gold is blocked
    assert "gold: its file cannot be imported" in done.stderr
    assert blocked.rows(BLOCKED) == [("latest", 65)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--code=78",), "give a feed, or --all, or --all and --code together"),
        (("fx", "--all", "--code=78"), "give a feed, or --all, or --all and --code together"),
        (("fx", "--code=78"), "give a feed, or --all, or --all and --code together"),
        ((), "give a feed, or --all, or --all and --code together"),
        (("--all", "--code=75"), "--code 75 blocks no feed: 65, 70, 78, 81 do"),
    ],
)
def test_free__says_which_form_is_meant(blocked: Bank, words: tuple[str, ...], said: str) -> None:
    done = free(blocked, *words, *WHY)
    assert isinstance(done.exception, Misconfigured)
    assert said in str(done.exception)
    assert len(blocked.rows(BLOCKED)) == 3
