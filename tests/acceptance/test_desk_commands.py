"""today, why, audit, handover: what a person at the desk asks, with a reader's rights and no Kafka."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from typer.testing import CliRunner

from bank import Bank, Door, Ended, as_role, eventually
from cli.__main__ import app
from ledger import control
from ledger.database import connect
from ledger.rights import Roles
from operate.act import Act, Actor, begin
from sweeps import DAY, RATES, Sweeps, at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

AWAY = "postgresql://nobody@127.0.0.1:9/none"


def run(bank: Bank, *words: str, role: str | None = None, **environ: str) -> Result:
    """A command as a person at the desk runs it: DATABASE_URL is all that is set."""
    settings = {"DATABASE_URL": as_role(bank.url, role or Roles().reader), "FEEDFALL_FEEDS": "feeds,sample_feeds"}
    return CliRunner().invoke(app, list(words), env={**settings, "KAFKA_BOOTSTRAP_SERVERS": "", **environ})


def said(bank: Bank, *words: str, **more: str) -> str:
    done = run(bank, *words, **more)
    assert done.exit_code == 0, (done.stdout, done.exception)
    return done.stdout


def act(bank: Bank, by: str, *words: str, exit_code: int = 0) -> None:
    """What a person does, by the command."""
    done = run(bank, *words, role=Roles().operator, FEEDFALL_BY=by)
    assert done.exit_code == exit_code, (done.stdout, done.exception)


def fx_of(bank: Bank) -> dict[str, Any]:
    days = json.loads(said(bank, "today", "--json"))["days"]
    return next(each for each in days if each["feed"] == "fx")


# -- today --


def test_today__shows_three_bands_and_counts_with_a_readers_rights_and_without_kafka(bank: Bank) -> None:
    with connect(bank.url, "test") as connection:
        control.block(connection, "fx", "sub", 65, "too many bad rows")
    shown = said(bank, "today")
    assert "A person must act (" in shown
    assert "Under way (" in shown
    assert "Over (" in shown
    assert "blocked 1" in shown.splitlines()[0]
    assert "KST" in shown.splitlines()[0]
    assert "Blocked since" in shown
    assert "조치 필요" in said(bank, "today", "--lang=ko")
    assert "UTC" in said(bank, "today", FEEDFALL_ZONE="UTC").splitlines()[0]


def test_today__json_has_the_code_the_parameters_and_the_sentence(bank: Bank) -> None:
    with connect(bank.url, "test") as connection:
        control.block(connection, "fx", "sub", 65, "bad\x1b[31m\u202e rows")
    each = fx_of(bank)
    assert (each["state"], each["band"], each["why"]["code"]) == ("blocked", "act", "blocked")
    assert each["why"]["parameters"]["exit_code"] == 65
    assert r"bad\x1b[31m\u202e rows" in each["sentence"]
    assert each["verbs"][0] == "free"


def test_today__a_database_that_is_away_costs_its_own_feeds_and_the_exit_code_says_so(bank: Bank) -> None:
    done = run(bank, "today", DATABASE_URL_STK=AWAY)
    feeds = {feed for feed in ("fx", "latest") if feed in done.stdout}
    if "DATABASE_URL_STK" in done.stderr:
        assert (done.exit_code, feeds) == (75, {"fx", "latest"})
    alone = run(bank, "today", DATABASE_URL=AWAY)
    assert alone.exit_code == 75
    assert "DATABASE_URL: the database is out of reach" in alone.stderr
    assert "unknown" in alone.stdout
    assert run(bank, "today", DATABASE_URL="").exit_code == 78


# -- why --


def test_why__tells_the_story_of_a_base_date_and_what_helps(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    door("pub", "--feed=fx", f"--base-date={DAY}")
    shown = said(bank, "why", "fx", f"--date={DAY}")
    assert "fx 2026-10-30 · absent · due 2026-10-31 01:00:00 KST (10-30 17:00 CET)" in shown
    assert "has no answer." in shown
    assert "No sweep runs" in shown
    for event in ("request recorded, seq 1", "request sent, seq 1", "pub SUCCEEDED (0)"):
        assert event in shown
    assert "feedfall submit fx --date 2026-10-30 --rerun" in shown
    bank.respond("fx", RATES, DAY)
    door("sub", "--feed=fx")
    shown = said(bank, "why", "fx", f"--date={DAY}", "--lang=ko")
    assert "도착 2행" in shown
    assert "적재 끝, 2행" in shown


def test_why__runs_that_failed_alike_are_one_event(bank: Bank) -> None:
    for _ in range(277):
        bank.rows(
            "INSERT INTO feedfall.run (feed, stage, uid, name, status, exit_code, reason, code, ended_at)"
            " VALUES ('fx', 'relay', 'u', 'fx-relay', 'FAILED', 75, 'partner away', 14, now())"
        )
    shown = said(bank, "why", "fx", f"--date={datetime.now(UTC).date()}")
    assert shown.count("FAILED") == 1
    assert "277 times alike" in shown


@contextmanager
def blocking(bank: Bank, table: str) -> Iterator[None]:
    """Another application's session that has locked a feed's table."""
    with closing(psycopg.connect(bank.url, application_name="month-end report")) as connection:
        connection.execute(f"SELECT 'a secret of {table}'; LOCK TABLE {table}".encode())
        yield


def test_why__names_the_session_that_blocks_a_run_and_never_what_it_ran(bank: Bank) -> None:
    bank.create("fx", partitions=1)
    bank.respond("fx", RATES, DAY)
    today = datetime.now(UTC).date()
    with blocking(bank, "fx_rate"), ExitStack() as stack:
        pod = bank.start("sub", "--feed=fx", WORKFLOW_NAME="fx-sub-7", WORKFLOW_UID="uid-7")
        stack.callback(pod.communicate)
        stack.callback(pod.kill)
        eventually(lambda: bool(bank.rows("SELECT 1 FROM pg_locks WHERE NOT granted")), 30)
        locks = json.loads(said(bank, "today", "--json"))["locks"]
        shown = said(bank, "why", "fx", f"--date={today}")
    (lock,) = locks
    assert (lock["run"], lock["application"], lock["role"]) == ("fx-sub-7", "month-end report", "postgres")
    assert lock["waits_since"]
    assert "secret" not in json.dumps(locks) + shown
    assert "month-end report" in shown


# -- audit --


def test_audit__shows_an_act_once_by_feed_person_verb_and_time(bank: Bank) -> None:
    act(bank, "kim", "hold", "fx", "--reason=partner down")
    act(bank, "lee", "free", "fx", "--others-hold", "--reason=up again")
    lines = json.loads(said(bank, "audit", "--json"))
    assert [(each["verb"], each["who"], each["outcome"]) for each in lines] == [
        ("free", "lee", "done"),
        ("hold", "kim", "done"),
    ]
    assert lines[1]["channel"] == "command"
    assert lines[1]["after"]["held_by"] == "kim"
    assert "partner down" in said(bank, "audit", "fx", "--by=kim")
    assert [each["verb"] for each in json.loads(said(bank, "audit", "fx", "--verb=free", "--json"))] == ["free"]
    assert "held_by: kim -> -" in said(bank, "audit", "fx", "--verb=free").replace("\n", " ")
    assert "No such line" in said(bank, "audit", "fx", "--since=0s")
    assert run(bank, "audit", "--since=yesterday").exception


def test_audit__says_that_an_outcome_is_not_known(bank: Bank) -> None:
    with connect(as_role(bank.url, Roles().operator), "test") as connection:
        begin(connection, Act("hold", Actor("kim"), "partner down", "fx"))  # and the process is killed
    (line,) = json.loads(said(bank, "audit", "--json"))
    assert (line["verb"], line["outcome"]) == ("hold", "unknown")


# -- handover --


def test_handover__has_holds_with_owner_and_age_acts_and_cases(bank: Bank) -> None:
    act(bank, "kim", "hold", "fx", "--reason=partner down until 06:00")
    bank.rows("UPDATE feedfall.feed_control SET held_at = now() - interval '3 hours'")
    shown = said(bank, "handover")
    assert "fx: held by kim for 3 h, since" in shown
    assert "kim hold fx: partner down until 06:00 done" in shown
    assert shown.index("Break-glass (0)") < shown.index("Open cases (") < shown.index("Holds (1)")
    assert "보류 kim, 3시간 지남" in said(bank, "handover", "--lang=ko")


def test_handover__begins_with_what_was_done_without_a_second_person(bank: Bank, sweeps: Sweeps) -> None:
    assert sweeps(at(17))["absent"] == 1
    act(bank, "kim", "accept", "fx", f"--date={DAY}", "--break-glass", "--ticket=INC-7", "--reason=partner is closed")
    parts = said(bank, "handover").split("\n\n")
    assert parts[1].startswith("Break-glass (1)")
    assert "kim accept fx without a second person, ticket INC-7: partner is closed" in parts[1]
    why = json.loads(said(bank, "why", "fx", f"--date={DAY}", "--json"))
    assert (why["state"], why["why"]["parameters"]["by"]) == ("accepted", "kim")


def test_handover__csv_runs_no_formula(bank: Bank) -> None:
    act(bank, "kim", "hold", "fx", "--reason==1+1", "--by==cmd|' /C calc'!A0")
    rows = said(bank, "handover", "--csv").splitlines()
    assert rows[0] == "part,what"
    assert not [row for row in rows if row.split(",", 1)[1].lstrip('"')[:1] in "=+-@"]


def test_handover__the_next_shift_acknowledges_and_the_next_one_begins_there(bank: Bank) -> None:
    act(bank, "kim", "hold", "fx", "--reason=partner down")
    act(bank, "lee", "handover", "--acknowledge", exit_code=1)
    act(bank, "lee", "handover", "--acknowledge", "--reason=watch fx at 06:00")
    found = "SELECT who, reason, detail->>'holds' FROM feedfall.journal WHERE verb = 'handover' AND phase = 'done'"
    assert bank.rows(found) == [("lee", "watch fx at 06:00", "1")]
    after = json.loads(said(bank, "handover", "--json"))
    assert [each["verb"] for each in after["acts"]] == []
    assert len(after["holds"]) == 1
    wanted = datetime.now(UTC) - timedelta(minutes=1)
    assert datetime.fromisoformat(after["since"]) > wanted


def test_handover__a_reader_acknowledges_nothing(bank: Bank) -> None:
    done = run(bank, "handover", "--acknowledge", "--by=lee", "--reason=all read")
    assert "the database role lacks a right" in str(done.exception)


# -- runs, absent --


def test_runs__has_the_base_date_and_the_reason_and_hides_the_sweeps(
    bank: Bank, door: Door, relay: Callable[..., Ended]
) -> None:
    bank.rows(
        "INSERT INTO feedfall.run (feed, stage, uid, name, code) VALUES ('-', 'sweep', 'u', 'feedfall-sweep-1', 14)"
    )
    door("pub", "--feed=fx", f"--base-date={DAY}")
    relay()
    door("sub", "--feed=fx")
    runs = json.loads(said(bank, "runs", "--json"))
    assert [(each["stage"], each["dates"]) for each in runs] == [
        ("sub", [str(DAY), str(DAY)]),
        ("relay", [str(DAY), str(DAY)]),
        ("pub", [str(DAY)]),
    ]
    bank.rows("UPDATE feedfall.run SET reason = 'all is well' WHERE stage = 'pub'")
    shown = said(bank, "runs")
    assert "base date" in shown.splitlines()[0]
    assert "all is well" in shown
    assert "feedfall-sweep-1" not in shown
    assert "feedfall-sweep-1" in said(bank, "runs", "--sweeps")


def test_absent__says_why_it_is_so_now_beside_when_it_was_reported(bank: Bank, sweeps: Sweeps) -> None:
    assert sweeps(at(17))["absent"] == 1
    (then,) = json.loads(said(bank, "absent", "--json"))
    assert (then["found"], then["now"]["why"]["code"]) == ("no-request", "no-request")
    act(bank, "kim", "hold", "fx", "--reason=partner down")
    (now,) = json.loads(said(bank, "absent", "--json"))
    assert (now["words"], now["now"]["why"]["code"]) == (then["words"], "held")
    assert "Held by kim since" in said(bank, "absent").replace("\n", " ")


@pytest.mark.parametrize("words", ["today", "why fx", "audit", "handover", "runs", "absent"])
def test_desk__needs_database_url_alone(bank: Bank, words: str) -> None:
    said(bank, *words.split())
