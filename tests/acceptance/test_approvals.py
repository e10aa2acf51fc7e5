"""A second person: what they see is frozen, what they approve is done, and a ticket breaks the glass."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from bank import ROOT, Bank, Door
from cli.__main__ import app
from ledger import control
from ledger.database import connect
from ledger.errors import Asked, Misconfigured, Refused
from operate.approval import required

if TYPE_CHECKING:
    from sweeps import Sweeps

from sweeps import at, journal

DAY = date(2026, 10, 30)
ACCEPT = ("accept", "fx", "--date=2026-10-30", "--reason=the partner is closed")
AGREE = ("--reason=called the partner",)


def feedfall(bank: Bank, *words: str, by: str = "kim", **environ: str) -> Result:
    """The command, as the platform starts it for a person who is signed in."""
    return CliRunner().invoke(app, list(words), env={**bank.environ, "FEEDFALL_BY": by, **environ})


def decisions(bank: Bank) -> list[tuple[object, ...]]:
    return bank.rows(
        "SELECT verb, asked_by, decision, decided_by, used_at IS NOT NULL FROM feedfall.approval ORDER BY id"
    )


def accepted(bank: Bank) -> list[tuple[object, ...]]:
    return bank.rows("SELECT feed, base_date, accepted, who, approval, ticket FROM feedfall.acceptance ORDER BY id")


@pytest.mark.parametrize(
    ("verb", "arguments", "needs"),
    [
        ("accept", {"base_date": "2026-10-30"}, True),
        ("accept", {"base_date": "2026-10-30", "undo": True}, False),
        ("skip-gap", {}, True),
        ("force", {}, True),
        ("hold", {"all": True}, True),
        ("hold", {}, False),
        ("discard", {"count": 100}, False),
        ("discard", {"count": 101}, True),
        ("replay", {"count": 101}, True),
        ("kill", {}, False),
    ],
)
def test_required__says_which_acts_need_a_second_person(verb: str, arguments: dict[str, object], needs: object) -> None:
    assert required(verb, arguments) is needs


# -- accept --


def test_accept__is_done_when_a_second_person_approves(bank: Bank) -> None:
    asked = feedfall(bank, *ACCEPT)
    assert isinstance(asked.exception, Asked)
    assert asked.exception.approval == 1
    assert accepted(bank) == []
    shown = feedfall(bank, "approvals", by="lee").stdout
    assert all(word in shown for word in ("asked", "accept", "fx", "kim", "no request sent", "the partner is closed"))
    done = feedfall(bank, "approve", "1", *AGREE, by="lee")
    assert done.stdout == "fx 2026-10-30 counts as done without its rows.\n", done.exception
    assert accepted(bank) == [("fx", DAY, True, "kim", 1, None)]
    assert decisions(bank) == [("accept", "kim", "approved", "lee", True)]
    lines = bank.rows("SELECT verb, phase, who, acted_as, approval FROM feedfall.journal ORDER BY id")
    assert lines == [
        ("accept", "intent", "kim", "operator", None),
        ("accept", "refused", "kim", "operator", None),
        ("approve", "intent", "lee", "approver", None),
        ("approve", "done", "lee", "approver", None),
        ("accept", "intent", "kim", "operator", 1),
        ("accept", "done", "kim", "operator", 1),
    ]
    assert "Nothing waits" in feedfall(bank, "approvals").stdout


def test_accept__asking_again_finds_what_was_asked(bank: Bank) -> None:
    for _ in range(2):
        asked = feedfall(bank, *ACCEPT).exception
        assert isinstance(asked, Asked)
        assert asked.approval == 1
    assert len(decisions(bank)) == 1


def test_accept__asking_exits_77_with_a_line_for_a_scheduler(bank: Bank) -> None:
    words = [sys.executable, "-m", "cli", *ACCEPT]
    done = subprocess.run(
        words, env=bank.environment(), capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )
    assert done.returncode == 77
    assert done.stdout.startswith(
        'RESULT status=ASKED feed=fx stage=accept run=- approval=1 reason="it needs a second person'
    )


@pytest.mark.parametrize("by", ["kim", "lee"])
def test_approve__who_asked_does_not_decide_under_any_name(bank: Bank, by: str) -> None:
    """kim asks; kim, signed in as such, approves as kim and as lee."""
    feedfall(bank, *ACCEPT)
    done = feedfall(bank, "approve", "1", *AGREE, f"--by={by}", by="kim")
    assert isinstance(done.exception, Refused)
    assert "who has asked for approval 1 does not decide it" in str(done.exception)
    assert (decisions(bank), accepted(bank)) == ([("accept", "kim", None, None, False)], [])


def test_approve__who_asked_in_anothers_name_does_not_decide_either(bank: Bank) -> None:
    feedfall(bank, *ACCEPT, "--by=lee", by="kim")
    for by in ("kim", "lee"):
        assert isinstance(feedfall(bank, "approve", "1", *AGREE, by=by).exception, Refused)
    assert feedfall(bank, "approve", "1", *AGREE, by="park").exit_code == 0


def test_approve__rejected_is_over(bank: Bank) -> None:
    feedfall(bank, *ACCEPT)
    assert feedfall(bank, "approve", "--reject", "--reason=it will come", by="lee").stdout == (
        "approval 1 is rejected: it will come.\n"
    )
    assert "approval 1 is rejected: ask again" in str(feedfall(bank, "approve", "1", *AGREE, by="lee").exception)
    assert isinstance(feedfall(bank, *ACCEPT).exception, Asked)
    assert [each[2] for each in decisions(bank)] == ["rejected", None]


def test_approve__in_another_world_is_refused(bank: Bank, door: Door) -> None:
    bank.create("fx")
    feedfall(bank, *ACCEPT)
    assert door("pub", "--feed=fx", "--base-date=2026-10-30").status == "SUCCEEDED"
    done = feedfall(bank, "approve", "1", *AGREE, by="lee")
    assert "the world has changed since approval 1 was asked for" in str(done.exception)
    assert (decisions(bank), accepted(bank)) == ([("accept", "kim", "stale", "lee", False)], [])


@pytest.fixture
def expired(bank: Bank) -> Bank:
    """An approval of half an hour ago."""
    feedfall(bank, *ACCEPT)
    bank.rows("ALTER TABLE feedfall.approval DISABLE TRIGGER decide")
    bank.rows("UPDATE feedfall.approval SET expires_at = clock_timestamp()")
    bank.rows("ALTER TABLE feedfall.approval ENABLE TRIGGER decide")
    return bank


def test_approve__after_half_an_hour_is_refused(expired: Bank) -> None:
    assert "approval 1 is expired: ask again" in str(feedfall(expired, "approve", "1", *AGREE, by="lee").exception)
    assert "Nothing waits" in feedfall(expired, "approvals").stdout
    assert "expired" in feedfall(expired, "approvals", "--all").stdout
    assert feedfall(expired, *ACCEPT).exception.approval == 2  # type: ignore[union-attr] # an Asked


def test_accept__undo_needs_no_second_person_and_opens_the_absence_again(bank: Bank, sweeps: Sweeps) -> None:
    sweeps(at(17, 1))
    assert [line[0] for line in journal(bank)] == ["absent"]
    feedfall(bank, *ACCEPT)
    feedfall(bank, "approve", *AGREE, by="lee")
    assert sweeps(at(17, 2))["arrived"] == 0
    assert "ACCEPTED fx 2026-10-30: accepted by kim without its rows: the partner is closed" in sweeps.log
    assert bank.value("SELECT who FROM feedfall.journal WHERE verb = 'accepted'") == "sweep"
    assert "Nothing that was due is absent" in feedfall(bank, "absent").stdout
    taken_back = feedfall(bank, "accept", "fx", "--date=2026-10-30", "--undo", "--reason=it comes after all")
    assert "no longer accepted: its rows are expected again" in taken_back.stdout
    assert [each[2] for each in accepted(bank)] == [True, False]
    assert "fx" in feedfall(bank, "absent").stdout
    again = feedfall(bank, "accept", "fx", "--date=2026-10-30", "--undo", "--reason=again")
    assert "is not accepted: there is nothing to take back" in str(again.exception)


def test_accept__before_the_due_time_is_never_reported_absent(bank: Bank, sweeps: Sweeps) -> None:
    feedfall(bank, *ACCEPT)
    feedfall(bank, "approve", *AGREE, by="lee")
    assert sweeps(at(17, 1))["absent"] == 0


def test_accept__what_is_here_is_refused(bank: Bank, door: Door) -> None:
    bank.create("fx")
    bank.respond("fx", [{"base_date": "2026-10-30", "currency": "USD", "rate": "1"}], DAY)
    door("sub", "--feed=fx")
    assert "The rows of fx 2026-10-30 are here" in str(feedfall(bank, *ACCEPT).exception)
    assert decisions(bank) == []


def test_accept__break_glass_goes_without_a_second_person_and_is_written_so(bank: Bank) -> None:
    for half in (["--break-glass"], ["--ticket=INC-7"], ["--break-glass", "--ticket= "]):
        assert isinstance(feedfall(bank, *ACCEPT, *half).exception, Misconfigured)
    assert feedfall(bank, *ACCEPT, "--break-glass", "--ticket=INC-7").exit_code == 0
    assert accepted(bank) == [("fx", DAY, True, "kim", None, "INC-7")]
    assert bank.rows("SELECT phase, ticket FROM feedfall.journal ORDER BY id") == [
        ("intent", "INC-7"),
        ("done", "INC-7"),
    ]


# -- hold --all --

ALL = ("hold", "--all", "--reason=the core bank moves")


@pytest.fixture
def stopped(bank: Bank) -> Bank:
    """lee holds tick; kim holds every feed, and park has agreed."""
    with closing(connect(bank.url, "test")) as connection:
        control.hold(connection, "tick", "lee", "audit")
        connection.commit()
    assert isinstance(feedfall(bank, *ALL).exception, Asked)
    done = feedfall(bank, "approve", *AGREE, by="park")
    assert "fx: held" in done.stdout, done.exception
    assert "tick: held by lee since" in done.stdout
    return bank


def test_hold_all__holds_each_feed_and_leaves_what_is_held(stopped: Bank) -> None:
    owners = dict(stopped.rows("SELECT feed, held_by FROM feedfall.feed_control WHERE held_at IS NOT NULL"))
    assert (owners["fx"], owners["latest"], owners["tick"]) == ("kim", "kim", "lee")
    approved = stopped.rows("SELECT DISTINCT approval FROM feedfall.journal WHERE verb = 'hold' AND phase = 'done'")
    assert approved == [(1,)]


def test_free_all__lifts_ones_own_holds_of_hold_all_and_no_other(stopped: Bank) -> None:
    assert feedfall(stopped, "free", "--all", "--reason=done", by="lee").stdout == "You hold nothing by `hold --all`.\n"
    feedfall(stopped, "hold", "latest", "--reason=its own", by="kim")  # is one's own, and no longer of --all
    said = feedfall(stopped, "free", "--all", "--reason=done", by="kim").stdout
    assert "fx is no longer held." in said
    held = stopped.rows("SELECT feed FROM feedfall.feed_control WHERE held_at IS NOT NULL ORDER BY feed")
    assert held == [("latest",), ("tick",)]


def test_hold_all__a_database_that_is_away_costs_only_its_feeds(bank: Bank) -> None:
    away = {"FEEDFALL_FEEDS": "feeds,branch_feeds", "DATABASE_URL_STK": "postgresql://a:b@127.0.0.1:9/none"}
    done = feedfall(bank, *ALL, "--break-glass", "--ticket=INC-7", **away)
    assert "bond: NOT HELD: the database is out of reach" in done.stdout
    assert "fx: held" in done.stdout
    assert done.exit_code == 1  # as an exception, which the command's door makes 75 of
    assert bank.value("SELECT held_by FROM feedfall.feed_control WHERE feed = 'fx'") == "kim"


def test_hold_all__preview_names_the_feeds_and_changes_nothing(bank: Bank) -> None:
    said = feedfall(bank, *ALL, "--preview").stdout
    assert "fx, " in said
    assert said.endswith("It needs a second person: `feedfall approve`.\n")
    assert bank.rows("SELECT FROM feedfall.journal UNION ALL SELECT FROM feedfall.feed_control") == []
