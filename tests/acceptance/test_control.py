"""The `feedfall` command, as an operator types it."""

import json
import os
import re
import subprocess
import sys
from datetime import date

import psycopg
from typer.testing import CliRunner, Result

from bank import ROOT, Bank, Door
from cli.__main__ import app
from ledger.database import connect

DAY = date(2026, 10, 30)
RATES = [{"base_date": "2026-10-30", "currency": each, "rate": "1.1"} for each in ("USD", "JPY")]


def feedfall(bank: Bank, *words: str) -> Result:
    return CliRunner().invoke(app, list(words), env=bank.environ, catch_exceptions=False)


def command(bank: Bank, *words: str) -> subprocess.CompletedProcess[str]:
    """The command as a process, for its exit code and its last words."""
    whole = [sys.executable, "-m", "cli", *words]
    return subprocess.run(
        whole, env=bank.environment(), capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )


def test_runs__shows_what_each_did(bank: Bank, door: Door) -> None:
    bank.create("fx")
    bank.respond("fx", RATES, DAY)
    door("sub", "--feed=fx", WORKFLOW_NAME="fx-sub-abc")
    shown = feedfall(bank, "runs", "fx").stdout
    assert all(word in shown for word in ("fx-sub-abc", "SUCCEEDED", "read=2 loaded=2", "KST"))
    [run] = json.loads(feedfall(bank, "runs", "--json").stdout)
    assert (run["stage"], run["counts"]["loaded"], run["exit_code"]) == ("sub", 2, 0)


def test_lag__counts_what_is_not_loaded(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    door("sub", "--feed=fx")
    bank.respond("fx", RATES, DAY)
    [line] = json.loads(feedfall(bank, "lag", "fx", "--json").stdout)
    assert (line["stage"], line["checkpoint"], line["high"], line["lag"]) == ("sub", 0, 2, 2)
    assert bank.topic("fx") in feedfall(bank, "lag").stdout


def test_hold_and_free__stop_a_feed_and_let_it_go_on(bank: Bank, door: Door) -> None:
    bank.create("fx")
    bank.respond("fx", RATES, DAY)
    assert "held by kim" in feedfall(bank, "hold", "fx", "--reason=late close", "--by=kim").stdout
    held = door("sub", "--feed=fx")
    assert (held.exit, held.status, "late close" in held.words["reason"]) == (0, "HELD", True)
    assert bank.value("SELECT count(*) FROM fx_rate") == 0
    assert "fx is free" in feedfall(bank, "free", "fx", "--reason=closed", "--by=lee", "--others-hold").stdout
    assert "neither held nor blocked" in feedfall(bank, "free", "fx", "--reason=again", "--by=lee").stdout
    assert door("sub", "--feed=fx").counts("loaded") == [2]
    assert bank.rows("SELECT who, verb, feed, reason FROM feedfall.journal WHERE phase = 'done' ORDER BY id") == [
        ("kim", "hold", "fx", "late close"),
        ("lee", "free", "fx", "closed"),
    ]


def test_hold__without_a_reason_is_refused(bank: Bank) -> None:
    assert feedfall(bank, "hold", "fx").exit_code == 2


def test_newest__shows_rows_with_where_they_came_from(bank: Bank, door: Door) -> None:
    bank.create("fx")
    assert "fx_rate is empty." in feedfall(bank, "newest", "fx").stdout
    bank.respond("fx", RATES, DAY)
    door("sub", "--feed=fx")
    assert "1.10000000" in feedfall(bank, "newest", "fx").stdout
    assert [row["currency"] for row in json.loads(feedfall(bank, "newest", "fx", "--json").stdout)] == ["JPY", "USD"]


def test_verify__proves_or_exits_83(bank: Bank, door: Door) -> None:
    bank.create("fx")
    bank.respond("fx", RATES, DAY)
    door("sub", "--feed=fx")
    proven = command(bank, "verify", "fx")
    assert (proven.returncode, "Proven: each of 2 offsets has one fate." in proven.stdout) == (0, True)
    bank.rows("DELETE FROM fx_rate WHERE currency = 'USD'")
    broken = command(bank, "verify", "fx", "--json")
    assert (broken.returncode, len(json.loads(broken.stdout)["broken"])) == (83, 1)


def test_quarantine_list__says_where_and_why(bank: Bank, door: Door) -> None:
    assert "Quarantine is empty." in feedfall(bank, "quarantine", "list").stdout
    bank.create("fx")
    bank.respond("fx", [*RATES, {"base_date": "2026-10-30", "currency": "KRW", "rate": "N.A."}], DAY)
    door("sub", "--feed=fx")
    [entry] = json.loads(feedfall(bank, "quarantine", "list", "fx", "--json").stdout)
    assert (entry["topic"], entry["row"], "'N.A.'" in entry["reason"]) == (bank.topic("fx"), -1, True)
    assert "KRW" in feedfall(bank, "quarantine", "list").stdout


def test_unknown_feed__exits_78_and_lists_the_known(bank: Bank) -> None:
    done = command(bank, "verify", "gold")
    assert (done.returncode, bool(re.match(r"no feed 'gold': there are .*\bfx, ", done.stderr))) == (78, True), (
        done.stderr
    )


def test_no_settings__exits_78_and_names_them(bank: Bank) -> None:
    environ = {name: value for name, value in os.environ.items() if name not in bank.environ}
    done = subprocess.run(
        [sys.executable, "-m", "cli", "lag"], env=environ, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, "KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL" in done.stderr) == (78, True)


def test_migrate__builds_an_empty_database_and_is_harmless_again(bank: Bank) -> None:
    name = bank.url.rsplit("/", 1)[-1] + "_empty"
    empty = bank.url + "_empty"
    with psycopg.connect(bank.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    bank.environ["DATABASE_URL"] = empty
    first = feedfall(bank, "migrate")
    assert "applied 0001_spine" in first.stdout
    assert "applied table fx_rate" in first.stdout
    assert "Everything is there already." in feedfall(bank, "migrate").stdout
    connect(empty, "test").close()


def test_schema__prints_tables_and_rights_for_a_dba(bank: Bank) -> None:
    printed = feedfall(bank, "schema", "fx", "--role=pod").stdout
    assert "CREATE TABLE IF NOT EXISTS fx_rate" in printed
    assert 'GRANT SELECT, INSERT, UPDATE ON "fx_rate" TO "pod"' in printed
    assert "GRANT pg_signal_backend" not in printed
