"""What an act will do, from the facts of a moment: a code, whether it can be taken back, and what follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from string import Formatter

import pytest

from ledger.control import Control, Lift
from operate.previews import PREVIEWS, WORDS, Facts, after, preview, words

NOW = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
OPEN = Facts("fx")
HELD = Facts("fx", Control(held_at=NOW, held_by="kim", held_reason="audit"))
BLOCKED = Facts("fx", Control(blocked_at=NOW, blocked_code=78, blocked_stage="sub", blocked_reason="a password"))
BOTH = Facts("fx", replace(HELD.control, blocked_at=NOW, blocked_code=78))
RUNS = {"fx-relay-x": "relay"}
DAY = date(2026, 10, 30)
ABSENT = Facts("fx", base_date=DAY, situation="unanswered", words="its request is not answered")

#: verb, facts → code, reversible, next, a second person?
TABLE = [
    ("hold", OPEN, ("hold.open", "reversible.free", "next.waits", False)),
    ("hold", HELD, ("hold.others", "reversible.free", "next.waits", False)),
    ("hold", replace(HELD, own=True), ("hold.own", "reversible.free", "next.waits", False)),
    ("hold-all", Facts(feeds=["fx", "tick"]), ("hold.all", "reversible.free-all", "next.waits", True)),
    ("free", OPEN, ("free.nothing", "reversible.no", "next.nothing", False)),
    ("free", HELD, ("free.others", "reversible.hold", "next.started", False)),
    ("free", replace(HELD, own=True), ("free.lifts", "reversible.hold", "next.started", False)),
    ("free", replace(HELD, own=True, sweep="none"), ("free.lifts", "reversible.hold", "next.no-sweep", False)),
    ("free", BLOCKED, ("free.lifts", "reversible.hold", "next.started", False)),
    ("free", replace(BOTH, only=Lift.BLOCK), ("free.lifts", "reversible.hold", "next.stays", False)),
    ("free", replace(OPEN, only=Lift.BLOCK), ("free.nothing", "reversible.no", "next.nothing", False)),
    ("kill", OPEN, ("kill.nothing", "reversible.no", "next.nothing", False)),
    ("kill", replace(OPEN, runs=RUNS), ("kill.runs", "reversible.nothing-lost", "next.again", False)),
    ("kill", replace(OPEN, runs=RUNS, sweep="x"), ("kill.runs", "reversible.nothing-lost", "next.no-sweep", False)),
    ("kill", replace(HELD, runs=RUNS), ("kill.runs", "reversible.nothing-lost", "next.stays-stopped", False)),
    ("kill", replace(BLOCKED, runs=RUNS), ("kill.runs", "reversible.nothing-lost", "next.stays-stopped", False)),
    ("kill", replace(OPEN, runs={"p": "pub"}), ("kill.runs", "reversible.nothing-lost", "next.submit-again", False)),
    ("kill", replace(OPEN, runs=RUNS, and_hold=True), ("kill.runs-and-hold", "reversible.free", "next.held", False)),
    ("kill", replace(OPEN, and_hold=True), ("kill.none-yet-and-hold", "reversible.free", "next.held", False)),
    ("accept", ABSENT, ("accept.absent", "reversible.accept-undo", "next.accepted", True)),
    ("accept", Facts("fx", base_date=DAY), ("accept.here", "reversible.no", "next.nothing", False)),
    ("accept", replace(ABSENT, accepted_by="lee"), ("accept.already", "reversible.no", "next.nothing", False)),
    ("skip-gap", OPEN, ("skip-gap.nothing", "reversible.no", "next.nothing", False)),
    ("skip-gap", replace(OPEN, gaps=["t[0] 1 to 5"]), ("skip-gap.lost", "reversible.no", "next.goes-on", True)),
]


@pytest.mark.parametrize(("verb", "facts", "wanted"), TABLE)
def test_preview__says_what_follows(verb: str, facts: Facts, wanted: tuple[str, str, str, bool]) -> None:
    found = preview(verb, facts)
    assert (found.code, found.reversible, found.next, found.needs_approval) == wanted
    assert "{" not in words(found) + after(found)
    assert "None" not in words(found)


def test_words__each_verb_is_in_the_table_above_and_each_code_in_use() -> None:
    assert {verb for verb, _, _ in TABLE} == set(PREVIEWS)
    used = {code for _, _, (code, reversible, then, _) in TABLE for code in (code, reversible, then)}
    assert used | {"approval"} == set(WORDS)


def test_words__another_language_is_another_table() -> None:
    korean = {code: f"<{code}>" for code in WORDS}
    assert words(preview("hold", OPEN), korean) == "<hold.open> <reversible.free> <next.waits>"
    assert all(name for text in WORDS.values() for _, name, _, _ in Formatter().parse(text) if name is not None)


@pytest.mark.parametrize(
    ("verb", "one", "other"),
    [
        ("accept", ABSENT, replace(ABSENT, situation="empty")),
        ("accept", ABSENT, replace(ABSENT, base_date=date(2026, 10, 29))),
        ("skip-gap", replace(OPEN, gaps=["t[0] 1 to 5"]), replace(OPEN, gaps=["t[0] 1 to 6"])),
        ("hold-all", Facts(feeds=["fx"]), Facts(feeds=["fx", "tick"])),
        ("hold-all", Facts(feeds=["fx", "tick"]), Facts(feeds=["fx", "tick"], held={"tick": "held by lee"})),
    ],
)
def test_digest__is_another_in_another_world(verb: str, one: Facts, other: Facts) -> None:
    assert preview(verb, one).digest != preview(verb, other).digest


def test_digest__is_the_same_where_only_the_words_of_the_moment_differ() -> None:
    later = replace(ABSENT, words="its request is not answered; deferred until 16:31")
    assert preview("accept", ABSENT).digest == preview("accept", later).digest
