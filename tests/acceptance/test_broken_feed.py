"""A feed's file that cannot be imported: each command says which one and where, and serves the other feeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from ledger.errors import Misconfigured

if TYPE_CHECKING:
    from pathlib import Path

    from bank import Bank

WORDS = "gold: its file cannot be imported: broken_gold_feeds.gold, line 3: TypeError: "


@pytest.fixture
def packages(bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    bank.create("fx")
    folder = tmp_path / "broken_gold_feeds"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "gold.py").write_text("from catalog import Feed\n\nGOLD = Feed('gold')\n")
    monkeypatch.syspath_prepend(tmp_path)
    return {**bank.environ, "FEEDFALL_FEEDS": "feeds,broken_gold_feeds"}


@pytest.mark.parametrize(
    "words", ["runs", "lag", "absent", "verify", "quarantine list", "free --all --code 78", "audit"]
)
def test_command__serves_the_others_and_fails(packages: dict[str, str], words: str) -> None:
    reason = ["--reason", "a test"] if words.startswith("free") else []
    done = CliRunner().invoke(app, [*words.split(), *reason], env=packages)
    assert done.stderr.startswith(WORDS)
    assert done.stdout  # what the feed fx answers
    assert isinstance(done.exception, Misconfigured)


@pytest.mark.parametrize("words", ["migrate", "schema"])
def test_command__that_needs_all_feeds_is_refused(packages: dict[str, str], words: str) -> None:
    done = CliRunner().invoke(app, [words], env=packages)
    assert str(done.exception).startswith(WORDS)
    assert not done.stdout


def test_command__of_the_broken_feed_is_one_sentence(packages: dict[str, str]) -> None:
    done = CliRunner().invoke(app, ["hold", "gold", "--reason", "a test"], env=packages)
    assert str(done.exception).startswith(WORDS.removeprefix("gold: "))


@pytest.mark.parametrize("words", ["today", "handover"])
def test_desk__shows_the_others_and_fails(packages: dict[str, str], words: str) -> None:
    done = CliRunner().invoke(app, [words], env=packages)
    assert WORDS in done.stderr
    assert "fx" in done.stdout
    assert done.exit_code == 78
