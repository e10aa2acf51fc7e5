"""Kill is not stop: what is killed starts again, unless the feed is held, and the command says which is true."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from submit_command import DAY, SECONDS, Desk, by_hand, ordered, until

if TYPE_CHECKING:
    import subprocess

    from bank import Bank

WHY = "--reason=wrong partner"
AGAIN = "The sweep starts it again within 60 s unless it is held: `kill --and-hold`."
KILLS = "SELECT verb, phase, who, feed FROM feedfall.journal WHERE phase IS NOT NULL ORDER BY id"


def at_work(desk: Desk) -> subprocess.Popen[str]:
    """A relay in the middle of one long question."""
    desk.play(bells=False)
    desk.done("fx-pub", **{"base-date": DAY})
    desk.ecb.delay = SECONDS
    command = desk.start("submit", "fx", "relay", "--wait")
    until(lambda: desk.ecb.requests)
    return command


def swept_well(bank: Bank) -> None:
    """A sweep has just come to its end without a fault."""
    run = bank.value(
        "INSERT INTO feedfall.run (feed, stage, uid, name, code) VALUES ('-', 'sweep', 'u', 'n', 12) RETURNING id"
    )
    bank.rows("DELETE FROM feedfall.sweep")
    now = datetime.now(UTC)
    bank.rows(
        "INSERT INTO feedfall.sweep (ended_at, run, good_at, good_run) VALUES (%s, %s, %s, %s)", now, run, now, run
    )


def test_kill__says_that_the_sweep_starts_it_again(bank: Bank, desk: Desk) -> None:
    command = at_work(desk)
    swept_well(bank)
    shown = by_hand(desk, "kill", "fx", WHY, "--preview")
    assert shown.startswith("It stops fx-relay-")
    assert shown.rstrip().endswith(AGAIN)
    assert bank.rows(KILLS) == []
    said = by_hand(desk, "kill", "fx", WHY)
    assert desk.end(command).exit == 143
    assert said.rstrip().endswith(f"Nothing is lost: the next run goes on where it stopped. {AGAIN}")
    assert bank.rows(KILLS) == [("kill", "intent", "ci", "fx"), ("kill", "done", "ci", "fx")]


def test_kill__without_a_sweep_nothing_is_said_to_start_again(bank: Bank, desk: Desk) -> None:
    command = at_work(desk)
    bank.rows("DELETE FROM feedfall.sweep")
    said = by_hand(desk, "kill", "fx", WHY)
    assert desk.end(command).exit == 143
    assert AGAIN not in said
    assert "No sweep starts it again now: no sweep has come to its end in this database yet" in said


def test_kill__and_hold_holds_first_so_that_nothing_starts_again(bank: Bank, desk: Desk) -> None:
    command = at_work(desk)
    swept_well(bank)
    said = by_hand(desk, "kill", "fx", WHY, "--and-hold")
    assert desk.end(command).exit == 143
    assert "fx is held or blocked: nothing of it starts before `feedfall free fx`." in said
    assert [line[:2] for line in bank.rows(KILLS)] == [
        ("hold", "intent"),
        ("hold", "done"),
        ("kill", "intent"),
        ("kill", "done"),
    ]
    again = desk.submit("fx", "relay", "--wait")
    assert (again.exit, again.status) == (77, "HELD")
    assert by_hand(desk, "kill", "fx", WHY, "--and-hold") == "nothing of fx runs. fx is held.\n"


def test_kill__and_hold_of_a_run_holds_its_feed(bank: Bank, desk: Desk) -> None:
    command = at_work(desk)
    [relay] = desk.runs("fx-relay")
    by_hand(desk, "kill", relay.name, WHY, "--and-hold")
    assert desk.end(command).exit == 143
    assert bank.rows("SELECT feed, held_by FROM feedfall.feed_control WHERE held_at IS NOT NULL") == [("fx", "ci")]


def test_submit__wait_for_an_accepted_base_date_ends(bank: Bank, desk: Desk) -> None:
    desk.play(bells=False)
    waiting = desk.start("submit", "fx", f"--date={DAY}", "--wait")
    until(lambda: ordered(bank) == ["sent"])
    by_hand(desk, "accept", "fx", f"--date={DAY}", "--reason=the partner is closed", "--break-glass", "--ticket=INC-7")
    done = desk.end(waiting)
    assert (done.exit, done.status) == (0, "ACCEPTED")
    assert done.words["reason"] == "accepted by ci without its rows: the partner is closed"
