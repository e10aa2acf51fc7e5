"""The sweep's heartbeat: whoever looks is told when no sweep served every feed within the last three minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from bank import Bank, Door, as_role
from cli.__main__ import app
from ledger.rights import Roles

if TYPE_CHECKING:
    from bank import Ended

LAST = "SELECT run, good_run FROM feedfall.sweep"
NOWHERE = {"ARGO_SERVER": "http://127.0.0.1:9", "ARGO_NAMESPACE": "bank"}


def look(bank: Bank, *words: str) -> Result:
    """As a reader, which may look and no more."""
    environ = {**bank.environ, "DATABASE_URL": as_role(bank.url, Roles().reader)}
    done = CliRunner().invoke(app, list(words) or ["runs"], env=environ)
    assert done.exit_code == 0, done.exception
    return done


def sweep(bank: Bank, door: Door, code: int = 0) -> Ended:
    done = door("sweep", **NOWHERE)
    assert done.exit == code
    return done


def run(bank: Bank) -> int:
    number: int = bank.value("SELECT max(id) FROM feedfall.run WHERE stage = 'sweep'")
    return number


def test_heartbeat__a_good_sweep_is_in_the_ledger_and_nothing_is_said(bank: Bank, door: Door) -> None:
    sweep(bank, door)
    assert bank.rows(LAST) == [(run(bank), run(bank))]
    assert [look(bank, *words.split()).stderr for words in ("runs", "runs fx", "lag", "absent", "runs --json")] == [
        ""
    ] * 5


def test_heartbeat__none_yet_is_said(bank: Bank) -> None:
    said = look(bank).stderr
    assert said.startswith("SWEEP (DATABASE_URL): no sweep has come to its end in this database yet")


@pytest.mark.parametrize("words", ["runs", "runs fx --json", "lag", "absent --json"])
@pytest.mark.parametrize(
    ("age", "shown"), [("2 minutes 50 seconds", ""), ("3 minutes 5 seconds", "3 min"), ("7 hours", "7 h")]
)
def test_heartbeat__older_than_three_minutes_is_said(bank: Bank, door: Door, words: str, age: str, shown: str) -> None:
    sweep(bank, door)
    bank.rows(f"UPDATE feedfall.sweep SET ended_at = now() - interval '{age}', good_at = now() - interval '{age}'")
    said = look(bank, *words.split()).stderr
    assert (f"the last sweep ended {shown} ago (run {run(bank)})" in said) if shown else said == ""


def test_heartbeat__a_sweep_with_a_fault_is_alive_and_not_good(bank: Bank, door: Door) -> None:
    sweep(bank, door)
    good = run(bank)
    bank.create("fx")
    bank.respond("fx", [{"base_date": "2026-10-30", "currency": "USD", "rate": "1"}])
    sweep(bank, door, code=75)  # something to start, and no Argo
    assert bank.rows(LAST) == [(run(bank), good)]
    assert look(bank).stderr == ""
    bank.rows("UPDATE feedfall.sweep SET good_at = now() - interval '4 minutes'")
    said = look(bank).stderr
    assert f"the last sweep without a fault ended 4 min ago (run {good}); run {run(bank)} says why" in said


def test_heartbeat__none_without_a_fault_yet_is_said(bank: Bank, door: Door) -> None:
    bank.create("fx")
    bank.respond("fx", [{"base_date": "2026-10-30", "currency": "USD", "rate": "1"}])
    sweep(bank, door, code=75)
    assert "no sweep was without a fault yet; run" in look(bank).stderr


def test_heartbeat__only_pods_and_operators_write_it(bank: Bank, door: Door) -> None:
    sweep(bank, door)
    for role in (Roles().reader, Roles().service):
        with pytest.raises(Exception, match="permission denied"):
            bank.act(role, "UPDATE feedfall.sweep SET ended_at = now()")
    with pytest.raises(Exception, match="permission denied"):
        bank.act(Roles().pod, "DELETE FROM feedfall.sweep")
