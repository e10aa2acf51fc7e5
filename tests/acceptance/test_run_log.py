"""Promise: what a run that failed printed last can be read when its pod is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from bank import Bank, Door
from cli.__main__ import app
from ledger.database import connect
from ledger.rights import Roles
from ledger.run_log import BYTES, keep, shortened

if TYPE_CHECKING:
    from submit_command import Desk

NAME = "fx-sub-abc"
NOWHERE = {"ARGO_SERVER": "", "ARGO_NAMESPACE": ""}


def logs(bank: Bank, name: str = NAME) -> list[str]:
    done = CliRunner().invoke(app, ["logs", name], env={**bank.environ, **NOWHERE}, catch_exceptions=False)
    return done.stdout.splitlines()


def test_log__of_a_run_that_failed_is_kept_and_shown(bank: Bank, door: Door) -> None:
    """Its words, its RESULT line, each attempt; and the log itself is what it was."""
    for _ in range(2):
        done = door("sub", "--feed=fx", WORKFLOW_NAME=NAME)
        assert (done.exit, "does not exist" in done.stderr) == (78, True)
        bank.rows("DELETE FROM feedfall.feed_control")
    shown = logs(bank)
    assert (len(shown), [done.words["reason"] in line for line in shown]) == (4, [True] * 4)
    assert shown[1].startswith("an attempt ended with status=FAILED")
    assert shown[-1].startswith("RESULT status=FAILED feed=fx stage=sub run=fx-sub-abc reason=")


def test_log__of_a_process_is_what_it_printed(bank: Bank) -> None:
    """Nothing of pytest's is between."""
    done = bank.step("pub", "--feed=fx", "--base-date=2026-10-30", FEEDFALL_TOPIC_PREFIX=bank.prefix, WORKFLOW_NAME="p")
    assert done.exit == 78
    assert bank.value("SELECT lines FROM feedfall.run_log").splitlines()[-1] == done.stderr.splitlines()[-1]


def test_log__of_a_run_that_did_well_is_not_kept(bank: Bank, door: Door) -> None:
    bank.create("fx")
    assert door("sub", "--feed=fx").exit == 0
    assert bank.value("SELECT count(*) FROM feedfall.run_log") == 0


def test_log__what_nobody_kept_is_said_as_before(bank: Bank) -> None:
    with pytest.raises(Exception, match="ARGO_SERVER"):
        logs(bank, "fx-sub-unknown")


def test_log__is_asked_of_argo_first(bank: Bank, desk: Desk) -> None:
    desk.play(settings={"FEEDFALL_TOPIC_PREFIX": "nowhere."})
    name = desk.done("fx-sub").name
    command = desk.start("logs", name)
    stdout, stderr = command.communicate(timeout=30)
    assert (command.returncode, "ledger kept" in stderr, "nowhere.fx.response" in stdout) == (0, False, True)
    kept = desk.start("logs", name, ARGO_SERVER="", ARGO_NAMESPACE="")
    stdout, stderr = kept.communicate(timeout=30)
    assert (kept.returncode, "ledger kept" in stderr, "nowhere.fx.response" in stdout) == (0, True, True)


def test_keep__holds_the_newest_hundred_of_a_feed(bank: Bank) -> None:
    """In the same statement; other feeds' stay. A pod may do it."""
    connection = connect(bank.pod_url, "test")
    bank.rows(
        "INSERT INTO feedfall.run (feed, stage, uid, name, code) SELECT 'fx', 'sub', 'u', n::text, 13"
        " FROM generate_series(1, 130) n"
    )
    keep(connection, 1, "tick", ["another feed"])
    for run in range(2, 131):
        keep(connection, run, "fx", ["x"])
    connection.close()
    assert bank.rows("SELECT feed, count(*), max(run) FROM feedfall.run_log GROUP BY feed ORDER BY 1") == [
        ("fx", 100, 130),
        ("tick", 1, 1),
    ]
    assert bank.act(Roles().reader, "SELECT * FROM feedfall.run_log") == 101


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (["a", "b"], "a\nb"),
        ([str(number) for number in range(300)], "\n".join(str(number) for number in range(100, 300))),
        (["old", "x" * BYTES], "x" * (BYTES - 1)),  # a line that fills it is cut at its head
        (["\x1b[31mred\x1b[0m\r", "null \x00, tab \t"], "\\x1b[31mred\\x1b[0m\\r\nnull \\x00, tab \t"),
        (["half \ud83d"], "half \\ud83d"),
        (["가" * BYTES], None),  # three bytes each: whole letters only
    ],
)
def test_shortened__is_bounded_and_harmless(lines: list[str], kept: str | None) -> None:
    found = shortened(lines)
    assert len(found.encode()) <= BYTES
    assert kept is None or found == kept


def test_sub__killed_leaves_no_log_and_no_trouble(bank: Bank) -> None:
    bank.create("fx")
    run = bank.start("sub", "--feed=fx", WORKFLOW_NAME=NAME)
    run.kill()
    run.communicate()
    assert bank.value("SELECT count(*) FROM feedfall.run_log") == 0
