"""Commands of quarantine: entries are looked at, mended, loaded after all or discarded; and the ledger adds up."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from bank import ROOT, Bank, Door, eventually
from cli.__main__ import app

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DAY = date(2026, 10, 30)
WHY = ("--reason=said by phone", "--by=kim")
BAD = {"base_date": "2026-10-30", "currency": "KRW", "rate": "N.A."}
GOOD = {**BAD, "rate": "1500.5"}


def quarantine(bank: Bank, *words: str, said: str | None = None) -> Result:
    """`feedfall quarantine …` in this process; failures are raised."""
    return CliRunner().invoke(app, ["quarantine", *words], env=bank.environ, input=said, catch_exceptions=False)


def command(bank: Bank, *words: str, said: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """The same as a process, for its exit code and its last words."""
    whole = [sys.executable, "-m", "cli", "quarantine", *words]
    environment = bank.environment(**environ)
    return subprocess.run(
        whole, env=environment, input=said, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )


def answer(done: Result | subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    """(entry, became) of each line."""
    return [(each["entry"].rpartition("/")[2], each["became"]) for each in json.loads(done.stdout)]


def listed(bank: Bank, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(quarantine(bank, "list", "--json", *words).stdout)
    return found


@pytest.fixture
def fx(bank: Bank, door: Door) -> Bank:
    """One good row and a bad one, 0@1 of an answer of seq 2."""
    bank.create("fx", partitions=1)
    bank.respond("fx", [{**GOOD, "currency": "USD"}, BAD], DAY, seq=2)
    assert door("sub", "--feed=fx").counts("loaded", "quarantined") == [1, 1]
    return bank


ECB = """<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><Cube><Cube time='2026-10-30'>
<Cube currency='USD' rate='1.1'/><Cube currency='KRW' rate='2'/></Cube></Cube></gesmes:Envelope>"""

# -- looking --


def test_list__an_entry_is_what_the_other_commands_take(fx: Bank) -> None:
    [entry] = listed(fx, "fx")
    assert (entry["entry"], entry["fate"], entry["value"]) == (f"{fx.topic('fx')}/0@1", "quarantined", json.dumps(BAD))
    for name in (entry["entry"], "0@1"):
        assert json.loads(quarantine(fx, "show", "fx", name, "--json").stdout)["entry"] == entry["entry"]
    assert "0@1" in quarantine(fx, "list").stdout


def test_list__is_narrowed_by_fate_and_by_reason(fx: Bank, door: Door) -> None:
    fx.respond("fx", [{**GOOD, "base_date": "2999-01-02"}, {"base_date": "?"}])
    door("sub", "--feed=fx")
    assert [e["offset"] for e in listed(fx, "fx", "--fate=deferred")] == [2]
    assert [e["until"] for e in listed(fx, "fx", "--fate=deferred")] == ["2999-01-02"]
    assert [e["offset"] for e in listed(fx, "fx", "--matching=n.a.")] == [1]
    assert len(listed(fx, "fx")) == 3
    assert "2999-01-02" in quarantine(fx, "list", "fx").stdout


def test_show__tells_everything_and_its_history(fx: Bank) -> None:
    command(fx, "redrive", "fx", "0@1", *WHY)
    command(fx, "redrive", "fx", "0@1", "--value=-", *WHY, said=json.dumps(GOOD))
    shown = quarantine(fx, "show", "fx", "0@1").stdout
    for words in (
        "correlation-id = ",
        "seq = 2",
        "'N.A.' is not a number",
        '"rate": "N.A."',
        "kim redrive: said by phone",
    ):
        assert words in shown
    found = json.loads(quarantine(fx, "show", "fx", "0@1", "--json").stdout)
    assert (found["settled_as"], found["settled_by"], found["settled_reason"]) == ("loaded", "kim", "said by phone")
    assert [line["detail"]["became"] for line in found["history"]] == ["quarantined", "loaded"]
    assert json.loads(found["history"][1]["detail"]["fixed"]) == GOOD


# -- redrive --


def test_redrive__what_is_still_bad_stays_and_says_why(fx: Bank) -> None:
    done = command(fx, "redrive", "fx", "0@1", *WHY)
    assert (done.returncode, "still bad, and waiting on: 1" in done.stderr) == (65, True)
    assert "'N.A.' is not a number above zero" in done.stdout
    assert [entry["settled_as"] for entry in listed(fx, "fx")] == [None]
    assert fx.broken("fx") == []


def test_redrive__a_mended_row_is_loaded_from_where_it_came(fx: Bank) -> None:
    done = command(fx, "redrive", "fx", "0@1", "--value=-", "--json", *WHY, said=json.dumps(GOOD))
    assert (done.returncode, answer(done)) == (0, [("0@1", "loaded")])
    entry = fx.rows('SELECT source, "offset", 0, sent_at, 2, settled_run FROM feedfall.quarantine')
    assert fx.rows("SELECT _source, _offset, _row, _at, _seq, _run FROM fx_rate WHERE currency = 'KRW'") == entry
    assert fx.rows("SELECT stage, status, name FROM feedfall.run ORDER BY id DESC LIMIT 1") == [
        ("redrive", "SUCCEEDED", "redrive by kim")
    ]
    assert json.loads(bytes(fx.value("SELECT value FROM feedfall.quarantine"))) == BAD  # the original stays
    assert listed(fx, "fx") == []
    assert [entry["settled_as"] for entry in listed(fx, "fx", "--settled")] == ["loaded"]
    assert fx.broken("fx") == []


def test_redrive__a_second_time_does_nothing(fx: Bank) -> None:
    for became in ("loaded", "loaded"):
        done = command(fx, "redrive", "fx", "0@1", "--value=-", "--json", *WHY, said=json.dumps(GOOD))
        assert (done.returncode, answer(done)) == (0, [("0@1", became)])
    assert "already, by kim on" in done.stdout
    assert fx.value("SELECT count(*) FROM feedfall.run WHERE stage = 'redrive'") == 1
    assert answer(quarantine(fx, "redrive", "fx", "--all", "--json", *WHY)) == []
    assert fx.broken("fx") == []


def test_redrive__mended_badly_stays_as_it_came(fx: Bank) -> None:
    done = command(fx, "redrive", "fx", "0@1", "--value=-", *WHY, said="not JSON \0")
    assert done.returncode == 65
    [entry] = listed(fx, "fx")
    assert (json.loads(entry["value"]), "'N.A.'" in entry["reason"]) == (BAD, True)
    assert fx.broken("fx") == []


@pytest.mark.parametrize("form", ["as listed", "an entry a line"])
def test_redrive__many_by_a_file_that_list_printed(fx: Bank, door: Door, tmp_path: Path, form: str) -> None:
    fx.respond("fx", [{**BAD, "currency": "JPY"}, {**BAD, "currency": "GBP"}])
    door("sub", "--feed=fx")
    found = listed(fx, "fx")
    for entry in found:
        if "GBP" not in entry["value"]:
            entry["value"] = entry["value"].replace("N.A.", "7")
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(found) if form == "as listed" else "\n".join(map(json.dumps, found)))
    done = command(fx, "redrive", "fx", f"--fixed={file}", "--json", *WHY)
    assert (done.returncode, sorted(became for _, became in answer(done))) == (65, ["loaded", "loaded", "quarantined"])
    assert fx.rows("SELECT currency FROM fx_rate WHERE rate = 7 ORDER BY 1") == [("JPY",), ("KRW",)]
    assert fx.broken("fx") == []


def test_redrive__all_of_a_reason_after_the_rule_was_mended(fx: Bank, door: Door) -> None:
    """What only the database refused is loaded as it came, once the CHECK is gone; the rest waits on."""
    fx.rows("ALTER TABLE fx_rate ADD CONSTRAINT tight CHECK (rate < 2000)")
    fx.respond("fx", [{**GOOD, "currency": each, "rate": "3000"} for each in ("AAA", "BBB")])
    door("sub", "--feed=fx")
    assert command(fx, "redrive", "fx", "--all", "--matching=tight", *WHY).returncode == 65
    fx.rows("ALTER TABLE fx_rate DROP CONSTRAINT tight")
    done = command(fx, "redrive", "fx", "--all", "--matching=tight", "--json", *WHY)
    assert (done.returncode, [became for _, became in answer(done)]) == (0, ["loaded", "loaded"])
    assert len(listed(fx, "fx")) == 1
    assert fx.broken("fx") == []


def test_redrive__never_takes_the_place_of_a_newer_row(fx: Bank, door: Door) -> None:
    """Of the same seq a later message, of a higher seq any."""
    fx.respond("fx", [{**GOOD, "rate": "3"}], seq=2)
    door("sub", "--feed=fx")
    assert answer(command(fx, "redrive", "fx", "0@1", "--value=-", "--json", *WHY, said=json.dumps(GOOD))) == [
        ("0@1", "superseded")
    ]
    assert fx.value("SELECT rate::text FROM fx_rate WHERE currency = 'KRW'") == "3.00000000"
    assert fx.broken("fx") == []


def test_redrive__takes_the_place_of_an_older_row_and_the_books_say_whose(fx: Bank, door: Door) -> None:
    fx.respond("fx", [{**GOOD, "rate": "3"}], DAY, seq=1)
    door("sub", "--feed=fx")
    done = command(fx, "redrive", "fx", "0@1", "--value=-", "--json", *WHY, said=json.dumps(GOOD))
    assert answer(done) == [("0@1", "loaded")]
    older = fx.value("SELECT max(id) FROM feedfall.run WHERE stage = 'sub'")
    assert fx.value("SELECT replaced_run FROM feedfall.quarantine") == older
    assert fx.broken("fx") == []
    fx.respond("fx", [{**GOOD, "rate": "4"}], DAY, seq=3)  # and is itself replaced
    assert door("sub", "--feed=fx").counts("loaded") == [1]
    assert fx.broken("fx") == []


def test_redrive__a_row_that_came_again_meanwhile_is_a_duplicate(fx: Bank, door: Door) -> None:
    fx.respond("fx", [GOOD], seq=2)
    door("sub", "--feed=fx")
    done = command(fx, "redrive", "fx", "0@1", "--value=-", "--json", *WHY, said=json.dumps(GOOD))
    assert answer(done) == [("0@1", "duplicate")]
    assert fx.broken("fx") == []


def test_redrive__a_table_without_a_key_takes_the_row_once(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    bank.send(bank.topic("tick"), b"?")
    door("sub", "--feed=tick")
    row = '{"symbol": "A", "price": "1", "volume": 1, "note": "tab\\there"}'
    assert command(bank, "redrive", "tick", "0@0", "--value=-", *WHY, said=row).returncode == 0
    assert bank.rows("SELECT note FROM tick") == [("tab\there",)]
    assert bank.broken("tick") == []


def test_redrive__a_message_quarantined_whole_is_split_into_its_rows(bank: Bank, door: Door) -> None:
    """An outside message that could not be read gives many rows; one of them is bad, and one is deferred."""
    bank.create("holiday", partitions=1)
    bank.send(bank.topic("holiday"), b"[{'single': 'quotes'}]")
    door("sub", "--feed=holiday")
    row = {"base_date": f"{DAY}", "price": "1"}
    rows = [{**row, "code": "A"}, {**row, "code": "A"}, {**row, "code": "?!"}, {**row, "code": "B"}]
    done = command(bank, "redrive", "holiday", "0@0", "--value=-", "--json", *WHY, said=json.dumps(rows))
    assert (done.returncode, answer(done)) == (65, [("0@0", "split")])
    assert "2 loaded; 1 duplicate; 1 quarantined" in done.stdout.replace(
        "1 duplicate; 2 loaded", "2 loaded; 1 duplicate"
    )
    assert bank.broken("holiday") == []
    [waits] = listed(bank, "holiday")
    assert (waits["entry"].rpartition("@")[2], json.loads(waits["value"])) == ("0/2", rows[2])
    mended = json.dumps({**rows[2], "code": "C"})
    assert command(bank, "redrive", "holiday", "0@0/2", "--value=-", *WHY, said=mended).returncode == 0
    assert bank.rows("SELECT code, _row FROM holiday ORDER BY 1") == [("A", 1), ("B", 3), ("C", 2)]
    assert bank.broken("holiday") == []
    bank.rows("DELETE FROM feedfall.quarantine WHERE row = 0")
    assert any("was split into 4 rows and 3 are there" in words for words in bank.broken("holiday"))


def test_redrive__a_split_message_counts_for_its_answer(bank: Bank, door: Door) -> None:
    bank.create("bulletin", partitions=1)
    bank.send(bank.topic("bulletin"), ECB.replace("</gesmes:Envelope>", "").encode())
    door("sub", "--feed=bulletin")
    assert bank.value("SELECT count(*) FROM feedfall.request") == 0
    done = command(bank, "redrive", "bulletin", "0@0", "--value=-", *WHY, said=ECB)
    assert done.returncode == 0, done
    assert bank.rows("SELECT status, count, settled FROM feedfall.request") == [("complete", 2, 2)]
    assert bank.rows("SELECT _seq FROM bulletin_rate") == [(1,), (1,)]
    assert bank.broken("bulletin") == []


@pytest.mark.parametrize(("stored_by", "seq"), [("this code", 1), ("code 1", 0)])
def test_redrive__a_row_of_an_outside_message_keeps_its_seq(bank: Bank, door: Door, stored_by: str, seq: int) -> None:
    """Its message's body said it. Code 1 did not store it: there the headers say it, and these have none."""
    bank.create("bulletin", partitions=1)
    bank.send(bank.topic("bulletin"), ECB.replace("'2'", "'?'").encode())
    assert door("sub", "--feed=bulletin").counts("loaded", "quarantined") == [1, 1]
    if stored_by == "code 1":
        bank.rows("UPDATE feedfall.quarantine SET seq = NULL")
    row = '{"base_date": "2026-10-30", "currency": "KRW", "rate": "2"}'
    assert command(bank, "redrive", "bulletin", "0@0/1", "--value=-", *WHY, said=row).returncode == 0
    assert bank.rows("SELECT _seq, _row FROM bulletin_rate WHERE currency = 'KRW'") == [(seq, 1)]
    assert bank.rows("SELECT status, settled FROM feedfall.request") == [("complete", 2)]
    assert bank.broken("bulletin") == []


def test_redrive__a_deferred_row_at_once_by_a_persons_word(fx: Bank, door: Door) -> None:
    fx.respond("fx", [{**GOOD, "base_date": "2999-01-02"}])
    door("sub", "--feed=fx")
    assert answer(command(fx, "redrive", "fx", "--all", "--json", *WHY)) == [("0@1", "quarantined")]  # not the deferred
    assert answer(command(fx, "redrive", "fx", "0@2", "--calendar", "--json", *WHY)) == [("0@2", "deferred")]
    assert answer(command(fx, "redrive", "fx", "0@2", "--json", *WHY)) == [("0@2", "loaded")]
    assert fx.value("SELECT max(base_date)::text FROM fx_rate") == "2999-01-02"
    assert fx.broken("fx") == []


def test_redrive__gives_the_budget_back(bank: Bank, door: Door) -> None:
    """tick allows 20 bad rows in its last ten spans: those that are resolved no longer count."""
    bank.create("tick", partitions=1)
    for _ in range(20):
        bank.send(bank.topic("tick"), b"?")
    door("sub", "--feed=tick")
    bank.send(bank.topic("tick"), b"?")
    assert door("sub", "--feed=tick").exit == 65
    first, *others = [entry["entry"] for entry in listed(bank, "tick")]
    row = '{"symbol": "A", "price": "1", "volume": 1, "note": null}'
    assert command(bank, "redrive", "tick", first, "--value=-", *WHY, said=row).returncode == 0  # blocked, and yet
    assert quarantine(bank, "discard", "tick", *others, *WHY).exit_code == 0
    assert CliRunner().invoke(app, ["free", "tick", *WHY], env=bank.environ).exit_code == 0
    assert door("sub", "--feed=tick").counts("quarantined") == [1]
    assert bank.broken("tick") == []


def test_redrive__of_a_held_feed_moves_nothing(fx: Bank, door: Door) -> None:
    CliRunner().invoke(app, ["hold", "fx", *WHY], env=fx.environ)
    for words in (["redrive", "fx", "--all"], ["discard", "fx", "0@1"]):
        done = command(fx, *words, *WHY)
        assert (done.returncode, "HELD: a person holds the feed" in done.stderr) == (77, True)
    assert [entry["settled_as"] for entry in listed(fx, "fx")] == [None]
    assert fx.broken("fx") == []


# -- another session at work, and crashes --

GATE = 4712


@pytest.fixture
def stuck(bank: Bank, door: Door) -> Iterator[psycopg.Connection]:
    """Five bad rows of tick; who writes a row of volume 500 stands still until this connection lets go."""
    bank.create("tick", partitions=1)
    for _ in range(5):
        bank.send(bank.topic("tick"), b"?")
    door("sub", "--feed=tick")
    bank.rows(
        f"""CREATE FUNCTION stick() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.volume = 500 THEN PERFORM pg_advisory_xact_lock({GATE}); END IF; RETURN NEW; END $$"""
    )
    bank.rows("CREATE TRIGGER stick BEFORE INSERT ON tick FOR EACH ROW EXECUTE FUNCTION stick()")
    with psycopg.connect(bank.url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [GATE])
        yield connection


def start(bank: Bank, *words: str, **environ: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-m", *words], env=bank.environment(**environ), stdout=pipe, stderr=pipe, text=True, cwd=ROOT
    )


@contextmanager
def standing_still(bank: Bank, process: Sequence[str], **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A process that stands in the middle of its transaction."""
    started = start(bank, *process, **environ)
    try:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
        eventually(lambda: bank.value(waiting) == 1)
        yield started
    finally:
        started.kill()
        started.communicate()


@pytest.fixture
def mended(stuck: psycopg.Connection, bank: Bank, tmp_path: Path) -> list[str]:
    """The words that redrive all five rows; the third stands still."""
    found = listed(bank, "tick")
    for entry in found:
        volume = 500 if entry["offset"] == 2 else entry["offset"]
        entry["value"] = json.dumps({"symbol": "A", "price": "1", "volume": volume, "note": None})
    (tmp_path / "rows.json").write_text(json.dumps(found))
    return ["redrive", "tick", f"--fixed={tmp_path / 'rows.json'}", *WHY]


def test_redrive__while_a_drain_runs_is_busy(bank: Bank, stuck: psycopg.Connection, mended: list[str]) -> None:
    bank.respond("tick", [{"symbol": "A", "price": "1", "volume": 500, "note": None}])
    with standing_still(bank, ["steps", "sub", "--feed=tick"]) as pod:
        done = command(bank, *mended)
        assert (done.returncode, "BUSY: by-hand holds the lease for" in done.stderr) == (77, True)
        stuck.execute("SELECT pg_advisory_unlock_all()")
        pod.wait(30)
    assert command(bank, *mended).returncode == 0
    assert bank.value("SELECT count(*) FROM tick") == 6
    assert bank.broken("tick") == []


def test_redrive__keeps_a_drain_out_and_a_second_redrive(
    bank: Bank, stuck: psycopg.Connection, mended: list[str], door: Door
) -> None:
    with standing_still(bank, ["cli", "quarantine", *mended]) as first:
        assert door("sub", "--feed=tick").status == "BUSY"
        assert command(bank, *mended).returncode == 77
        stuck.execute("SELECT pg_advisory_unlock_all()")
        assert first.wait(30) == 0
    assert bank.value("SELECT count(*) FROM tick") == 5
    assert bank.broken("tick") == []


@pytest.mark.parametrize("let_go_first", [True, False])
def test_redrive__killed_in_the_middle_leaves_nothing_and_runs_again(
    bank: Bank,
    stuck: psycopg.Connection,
    mended: list[str],
    let_go_first: bool,  # noqa: FBT001 -- a table
) -> None:
    """Also while the dead one's session still stands in its transaction: the taker ends it."""
    with standing_still(bank, ["cli", "quarantine", *mended], FEEDFALL_LEASE_SECONDS="1") as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        if let_go_first:
            stuck.execute("SELECT pg_advisory_unlock_all()")
        assert bank.value("SELECT count(*) FROM feedfall.quarantine WHERE settled_as IS NULL") == 5
        assert bank.value("SELECT count(*) FROM tick") == 0
        time.sleep(1.1)
        if let_go_first:
            assert command(bank, *mended).returncode == 0
        else:
            with standing_still_again(bank, mended, stuck) as second:
                assert second.wait(30) == 0
    assert bank.value("SELECT count(*) FROM tick") == 5
    assert bank.broken("tick") == []
    assert bank.rows("SELECT status FROM feedfall.run WHERE stage = 'redrive' ORDER BY id") == [
        ("LOST",),
        ("SUCCEEDED",),
    ]


@contextmanager
def standing_still_again(
    bank: Bank, words: Sequence[str], stuck: psycopg.Connection
) -> Iterator[subprocess.Popen[str]]:
    """A second process reaches the same place only when the first one's session is gone; then it may pass."""
    waiting = "SELECT array_agg(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'"
    dead = bank.value(waiting)
    second = start(bank, "cli", "quarantine", *words)
    try:
        eventually(lambda: bank.value(waiting) not in (dead, None))
        stuck.execute("SELECT pg_advisory_unlock_all()")
        yield second
    finally:
        second.kill()
        second.communicate()


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.05])
def test_redrive__killed_between_its_transactions_goes_on_from_there(bank: Bank, door: Door, seconds: float) -> None:
    """5,000 rows are ten transactions; wherever the kill falls, each is there completely or not at all."""
    bank.create("latest", partitions=1)
    rows = [{"symbol": f"S{n}", "base_date": "2999-01-02", "price": "1"} for n in range(5000)]
    bank.respond("latest", rows)
    assert door("sub", "--feed=latest").counts("deferred") == [5000]
    words = ["redrive", "latest", "--all", "--fate=deferred", *WHY]
    settled = "SELECT count(*) FROM feedfall.quarantine WHERE settled_as = 'loaded'"
    first = start(bank, "cli", "quarantine", *words, FEEDFALL_LEASE_SECONDS="0.5")
    eventually(lambda: bank.value(settled) > 0)
    time.sleep(seconds)
    first.kill()
    first.communicate()
    time.sleep(0.6)
    done = bank.value(settled)
    assert 0 < done < 5000
    assert done % 500 == 0
    assert bank.value("SELECT count(*) FROM latest") == done
    assert bank.broken("latest") == []
    assert command(bank, *words).returncode == 0
    assert bank.value("SELECT count(*) FROM latest") == 5000
    assert bank.broken("latest") == []


# -- discard --


def test_discard__marks_the_row_and_keeps_it(fx: Bank) -> None:
    for _ in range(2):
        done = quarantine(fx, "discard", "fx", "0@1", "--json", *WHY)
        assert (done.exit_code, answer(done)) == (0, [("0@1", "discarded")])
    assert listed(fx, "fx") == []
    [entry] = listed(fx, "fx", "--settled")
    assert (entry["settled_as"], entry["settled_by"], entry["value"]) == ("discarded", "kim", json.dumps(BAD))
    assert fx.rows("SELECT who, verb, feed, reason FROM feedfall.journal") == [
        ("kim", "discard", "fx", "said by phone")
    ]
    assert answer(quarantine(fx, "redrive", "fx", "0@1", "--json", *WHY)) == [("0@1", "discarded")]
    assert fx.value("SELECT count(*) FROM fx_rate") == 1
    assert fx.broken("fx") == []


def test_discard__of_a_request_that_relay_quarantined(fx: Bank) -> None:
    """A request is no row: it cannot be loaded, only discarded."""
    fx.rows("UPDATE feedfall.source SET stage = 'relay', topic = 'fx.request'")
    done = command(fx, "redrive", "fx", "fx.request/0@1", *WHY)
    assert (done.returncode, "is a request, not a row" in done.stderr) == (78, True)
    assert answer(quarantine(fx, "discard", "fx", "fx.request/0@1", "--json", *WHY)) == [("0@1", "discarded")]


# -- wrong words --


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["redrive", "fx", "0@7"], "fx has no entry 0@7 on "),
        (["redrive", "fx", "0@0"], "fx has no entry 0@0 on "),  # it was loaded
        (["redrive", "fx", "gold/0@1"], "fx has no entry gold/0@1 on gold"),
        (["redrive", "fx", "1"], "'1' is no entry: write PARTITION@OFFSET or PARTITION@OFFSET/ROW"),
        (["redrive", "fx", "0@x"], "'0@x' is no entry"),
        (["redrive", "fx"], "name entries, or give --all, or --fixed with a file of them: one of the three"),
        (["redrive", "fx", "0@1", "--all"], "one of the three"),
        (["redrive", "fx", "0@1", "--matching=x"], "--matching and --fate narrow --all"),
        (["redrive", "fx", "--all", "--value=-"], "--value mends one entry"),
        (["redrive", "fx", "0@1", "0@1", "--value=-"], "--value mends one entry"),
        (["redrive", "fx", "0@1", "--value=/no/such"], "/no/such cannot be read: No such file"),
        (["redrive", "fx", "0@1", "--value=-", "--calendar"], "--calendar judges rows as they came"),
        (["redrive", "fx", "--fixed=-"], "-: not JSON"),
        (["redrive", "gold", "--all"], "no feed 'gold'"),
        (["discard", "fx", "0@7"], "fx has no entry 0@7 on "),
    ],
)
def test_words__that_are_wrong_change_nothing(fx: Bank, words: list[str], says: str) -> None:
    done = command(fx, *words, *WHY, said="{")
    assert (done.returncode, says in done.stderr) == (78, True), done.stderr
    assert [entry["settled_as"] for entry in listed(fx, "fx")] == [None]


def test_reason__is_asked_for(fx: Bank) -> None:
    assert command(fx, "redrive", "fx", "0@1").returncode == 2
    assert "--reason is empty" in command(fx, "redrive", "fx", "0@1", "--reason= ").stderr
    assert command(fx, "discard", "fx", "0@1").returncode == 2


@pytest.mark.parametrize("text", ["[1]", '[{"entry": "0@1"}]', '{"value": "x"}'])
def test_fixed__a_file_of_something_else_is_refused(fx: Bank, text: str) -> None:
    done = command(fx, "redrive", "fx", "--fixed=-", *WHY, said=text)
    assert (done.returncode, 'each entry needs "entry" and "value"' in done.stderr) == (78, True)


def test_entry__of_a_topic_made_anew_is_told_apart(fx: Bank) -> None:
    fx.rows(
        "INSERT INTO feedfall.source"
        " (feed, stage, shard, topic, topic_id, partition, markers, first_offset, next_offset, epoch)"
        " SELECT feed, stage, shard, topic, 'anew', partition, markers, 0, 0, epoch FROM feedfall.source"
    )
    fx.rows(
        'INSERT INTO feedfall.quarantine (source, "offset", row, run, fate, reason, headers, value)'
        " SELECT source + 1, \"offset\", row, run, fate, 'another', headers, value FROM feedfall.quarantine"
    )
    done = command(fx, "show", "fx", "0@1")
    [first, second] = [entry["source"] for entry in sorted(listed(fx, "fx"), key=lambda each: each["source"])]
    topic = fx.topic("fx")
    assert f"say {topic}#{first}/0@1 or {topic}#{second}/0@1" in done.stderr
    assert "another" in quarantine(fx, "show", "fx", f"{topic}#{second}/0@1").stdout


# -- verify --

#: What somebody changes after a redrive → what `verify` must say.
TAMPERING = {
    "a resolved row of quarantine": ("DELETE FROM feedfall.quarantine", "rows went to quarantine and 0 are there"),
    "the redriven row": ("DELETE FROM fx_rate WHERE currency = 'KRW'", "of its rows in the table"),
    "what became of it": (
        "UPDATE feedfall.quarantine SET settled_as = 'superseded', replaced_run = NULL",
        "of its rows in the table",
    ),
    "whose row it replaced": ("UPDATE feedfall.quarantine SET replaced_run = NULL", "of its rows in the table"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_verify__finds_what_was_changed_by_hand(fx: Bank, door: Door, what: str) -> None:
    fx.respond("fx", [{**GOOD, "rate": "3"}], DAY, seq=1)
    door("sub", "--feed=fx")
    command(fx, "redrive", "fx", "0@1", "--value=-", *WHY, said=json.dumps(GOOD))
    assert fx.broken("fx") == []
    statement, sentence = TAMPERING[what]
    fx.rows(statement)
    assert any(sentence in words for words in fx.broken("fx")), fx.broken("fx")
