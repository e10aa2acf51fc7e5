"""Promise: what was mended wrongly can be corrected; that wins over the mend, and loses to a newer response."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bank import Bank, Door
from quarantine_command import BAD, DAY, GOOD, WHY, answer, command, quarantine
from sweeps import feedfall

if TYPE_CHECKING:
    from subprocess import CompletedProcess

WRONG, RIGHT = ({**GOOD, "rate": rate} for rate in ("1.5", "1500.5"))


@pytest.fixture
def mended(fx: Bank) -> Bank:
    """0@1 was loaded with a wrong value."""
    assert answer(redrive(fx, WRONG)) == [("0@1", "loaded")]
    return fx


def redrive(bank: Bank, value: dict[str, str], *more: str) -> CompletedProcess[str]:
    return command(bank, "redrive", "fx", "0@1", "--value=-", *WHY, *more, "--json", said=json.dumps(value))


def rate(bank: Bank) -> str:
    return str(bank.value("SELECT rate::float8 FROM fx_rate WHERE currency = 'KRW'"))


def proven(bank: Bank) -> bool:
    return bank.broken("fx") == [] and "Proven" in feedfall(bank, "verify", "fx", "--deep")


def test_correct__wins_over_the_mend_and_the_entry_stays_as_it_is(mended: Bank) -> None:
    entry = mended.rows("SELECT * FROM feedfall.quarantine")
    assert answer(redrive(mended, RIGHT, "--correct")) == [("0@1", "loaded")]
    assert (rate(mended), mended.value("SELECT max(_seq) FROM fx_rate")) == ("1500.5", 3)
    assert mended.rows("SELECT * FROM feedfall.quarantine") == entry
    history = [deed["verb"] for deed in json.loads(quarantine(mended, "show", "fx", "0@1", "--json").stdout)["history"]]
    assert history == ["redrive", "correct"]
    assert mended.rows("SELECT became, seq, who FROM feedfall.correction") == [("loaded", 3, "kim")]
    assert proven(mended)


def test_correct__again_is_harmless_and_another_value_is_another_correction(mended: Bank) -> None:
    for _ in range(2):
        done = redrive(mended, RIGHT, "--correct")
        assert (done.returncode, answer(done)) == (0, [("0@1", "loaded")])
    assert mended.value("SELECT count(*) FROM feedfall.correction") == 1
    redrive(mended, {**RIGHT, "rate": "1499"}, "--correct")
    assert (rate(mended), mended.value("SELECT max(_seq) FROM fx_rate")) == ("1499.0", 3)
    assert proven(mended)


def test_correct__loses_to_a_response_that_comes_later(mended: Bank, door: Door) -> None:
    """Also where that has the very seq of the correction."""
    redrive(mended, RIGHT, "--correct")
    mended.respond("fx", [{**GOOD, "rate": "1600"}], DAY, seq=3)
    assert door("sub", "--feed=fx").counts("loaded") == [1]
    assert rate(mended) == "1600.0"
    assert proven(mended)


def test_correct__does_not_overwrite_a_newer_response(mended: Bank, door: Door) -> None:
    mended.respond("fx", [{**GOOD, "rate": "1600"}], DAY, seq=3)
    door("sub", "--feed=fx")
    done = redrive(mended, RIGHT, "--correct")
    assert (done.returncode, "a newer row of its key stands; nothing was corrected" in done.stderr) == (65, True)
    assert (rate(mended), mended.value("SELECT count(*) FROM feedfall.correction")) == ("1600.0", 0)
    assert mended.rows("SELECT status, exit_code FROM feedfall.run WHERE stage = 'correct'") == [("FAILED", 65)]
    assert proven(mended)


def test_correct__of_a_publishers_own_message_loses_to_its_next_one(bank: Bank, door: Door) -> None:
    """It answers no request, so nothing raises its seq: its time decides."""
    bank.create("fx", partitions=1)
    bank.respond("fx", [{**GOOD, "currency": "USD"}, BAD])
    door("sub", "--feed=fx")
    redrive(bank, WRONG)
    redrive(bank, RIGHT, "--correct")
    assert rate(bank) == "1500.5"
    bank.respond("fx", [{**GOOD, "rate": "1600"}])
    door("sub", "--feed=fx")
    assert rate(bank) == "1600.0"
    assert proven(bank)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (BAD, "'N.A.'"),  # as bad as the original
        ({**RIGHT, "currency": "JPY"}, "currency would be another one, and the wrong row would stay"),
        ({**RIGHT, "base_date": "2026-10-29"}, "base_date would be another one"),
    ],
)
def test_correct__a_bad_one_changes_nothing(mended: Bank, value: dict[str, str], said: str) -> None:
    done = redrive(mended, value, "--correct")
    assert (done.returncode, said in done.stderr, "nothing was corrected" in done.stderr) == (65, True, True)
    assert rate(mended) == "1.5"
    assert proven(mended)


def test_correct__what_was_discarded_is_loaded_after_all(fx: Bank) -> None:
    quarantine(fx, "discard", "fx", "0@1", *WHY)
    assert redrive(fx, RIGHT).returncode == 77
    assert answer(redrive(fx, RIGHT, "--correct")) == [("0@1", "loaded")]
    assert rate(fx) == "1500.5"
    assert proven(fx)


def test_correct__what_still_waits_is_redriven(fx: Bank) -> None:
    done = redrive(fx, RIGHT, "--correct")
    assert (done.returncode, "still waits: redrive it with its value, without --correct" in done.stderr) == (78, True)
    assert command(fx, "redrive", "fx", "0@1", "--correct", *WHY).returncode == 78  # without a value


def test_correct__during_a_hold_nothing_moves(mended: Bank) -> None:
    feedfall(mended, "hold", "fx", *WHY)
    assert redrive(mended, RIGHT, "--correct").returncode == 77
    assert rate(mended) == "1.5"


def test_redrive__a_new_value_for_a_resolved_entry_says_that_it_was_not_loaded(mended: Bank) -> None:
    done = redrive(mended, RIGHT)
    assert (done.returncode, "`--correct` loads the new value in its place" in done.stderr) == (77, True)
    assert rate(mended) == "1.5"
    assert redrive(mended, WRONG).returncode == 0  # the same again, as after a crash


def test_redrive__that_is_still_bad_is_no_success_in_runs(fx: Bank) -> None:
    assert redrive(fx, BAD).returncode == 65
    assert fx.rows("SELECT status, exit_code, reason FROM feedfall.run WHERE stage = 'redrive'") == [
        ("FAILED", 65, "still bad, and waiting on: 1")
    ]


@pytest.mark.parametrize("lost", ["DELETE FROM fx_rate", "UPDATE fx_rate SET rate = 7"])
def test_replay__puts_a_correction_back(mended: Bank, lost: str) -> None:
    redrive(mended, RIGHT, "--correct")
    mended.rows(lost)
    feedfall(mended, "replay", "fx", f"--offsets={mended.topic('fx')}/0:0-1", *WHY)
    assert rate(mended) == "1500.5"
    assert proven(mended)


def test_replay__leaves_a_correction_that_stands(mended: Bank) -> None:
    redrive(mended, RIGHT, "--correct")
    feedfall(mended, "replay", "fx", f"--offsets={mended.topic('fx')}/0:0-1", *WHY)
    assert rate(mended) == "1500.5"
    assert proven(mended)
