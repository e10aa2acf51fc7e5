"""pub and the calendar: what is declared holds for the next run, and a calendar that nobody knows is not guessed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

import business_day
from bank import Bank, Door
from business_day import UnknownCalendar
from calendar_client.client import Client
from calendar_client.copy import Folder, Unavailable
from calendar_service import KIM, holders, serving
from cli.__main__ import app
from local.servers.process import free_port

if TYPE_CHECKING:
    from pathlib import Path

OPEN_DAY, GOOD_FRIDAY = "2026-10-30", "2026-04-03"


def feedfall(bank: Bank, *words: str, **environ: str) -> Result:
    return CliRunner().invoke(app, list(words), env={**bank.environ, **environ})


def declare(bank: Bank, day: str, state: str, calendar: str = "TARGET") -> Result:
    return feedfall(bank, "calendar", "declare", calendar, day, state, "--reason=임시", "--evidence=관보", "--by=kim")


def pub(door: Door, day: str, *words: str, **environ: str) -> tuple[int, str, str]:
    done = door("pub", "--feed=fx", f"--base-date={day}", *words, **environ)
    return done.exit, done.status, done.words.get("calendar", "")


# -- the calendars' home --


def test_declare__holds_for_the_next_run_in_both_directions(bank: Bank, door: Door) -> None:
    bank.create("fx")
    for state, day, status in (("--closed", OPEN_DAY, "SKIPPED"), ("--open", GOOD_FRIDAY, "SUCCEEDED")):
        told = declare(bank, day, state)
        assert (told.exit_code, "holds from the next run on" in told.stdout) == (0, True), told
        assert pub(door, day)[:2] == (0, status)


def test_withdraw__holds_for_the_next_run(bank: Bank, door: Door) -> None:
    bank.create("fx")
    declare(bank, OPEN_DAY, "--closed")
    told = feedfall(bank, "calendar", "withdraw", "TARGET", "20261030", "--reason=a slip", "--by=kim")
    assert "TARGET 2026-10-30 is no longer declared closed" in told.stdout
    assert pub(door, OPEN_DAY)[:2] == (0, "SUCCEEDED")


def test_run__keeps_the_version_that_it_decided_with(bank: Bank, door: Door) -> None:
    bank.create("fx")
    before = pub(door, "2026-10-29")[2]
    declare(bank, OPEN_DAY, "--closed")
    after = pub(door, OPEN_DAY)[2]
    assert before == business_day.calendar("TARGET").version != after
    assert pub(door, "2026-10-28", "--policy=OrderAnyway") == (0, "SUCCEEDED", "")  # no calendar was asked
    kept = bank.rows("SELECT counts->>'calendar' FROM feedfall.run ORDER BY id")
    assert [version for (version,) in kept] == [before, after, None]


def test_overrides__lists_what_holds_and_with_history_the_rest(bank: Bank) -> None:
    assert "Nothing is declared" in feedfall(bank, "calendar", "overrides").stdout
    declare(bank, OPEN_DAY, "--closed")
    declare(bank, "2026-12-24", "--closed", calendar="BANK")
    feedfall(bank, "calendar", "withdraw", "TARGET", OPEN_DAY, "--reason=a slip", "--by=lee")
    assert [each["day"] for each in overrides(bank)] == ["2026-12-24"]
    assert [bool(each["withdrawn"]) for each in overrides(bank, "--history")] == [False, True]
    assert overrides(bank, "TARGET") == []


def overrides(bank: Bank, *words: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(feedfall(bank, "calendar", "overrides", *words, "--json").stdout)
    return found


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("TARGET", "2026-12-25", "--closed"), "TARGET is closed on 2026-12-25 already (Christmas Day)"),
        (("TARGET", OPEN_DAY, "--open"), "TARGET is open on 2026-10-30 already"),
        (("NONE", OPEN_DAY, "--closed"), "it takes no override"),
        (("TRAGET", OPEN_DAY, "--closed"), "no calendar 'TRAGET'"),
        (("TARGET", "2026-13-01", "--closed"), "'2026-13-01' is not a date"),
    ],
)
def test_declare__says_what_is_wrong(bank: Bank, words: tuple[str, ...], reason: str) -> None:
    done = bank_command(bank, "declare", *words, "--reason=why", "--evidence=none")
    assert done[0] == 78
    assert reason in done[1]
    assert bank.value("SELECT count(*) FROM feedfall.journal WHERE phase IS NULL OR phase = 'done'") == 0


def test_declare__a_day_that_is_declared_already_is_a_conflict(bank: Bank) -> None:
    declare(bank, OPEN_DAY, "--closed")
    for state in ("--open", "--closed"):
        code, words = bank_command(bank, "declare", "TARGET", OPEN_DAY, state, "--reason=why", "--evidence=none")
        assert code == 78
        assert "declared closed already, by kim (임시): first `feedfall calendar withdraw" in words


def test_declare__beyond_the_table_is_all_that_is_known(bank: Bank, door: Door) -> None:
    bank.create("fx")
    assert pub(door, "2031-01-02")[:2] == (78, "FAILED")
    assert declare(bank, "2031-01-02", "--open").exit_code == 0
    assert pub(door, "2031-01-02")[:2] == (0, "SUCCEEDED")


def test_declare__where_the_home_is_elsewhere_is_refused(bank: Bank) -> None:
    code, words = bank_command(
        bank, "declare", "TARGET", OPEN_DAY, "--closed", "--reason=why", "--evidence=none", url="http://home.bank"
    )
    assert (code, "the calendars' home is http://home.bank: declare there" in words) == (78, True)


def bank_command(bank: Bank, *words: str, url: str = "") -> tuple[int, str]:
    """Exit code and last words, as a shell sees them."""
    environ = bank.environment(**({"FEEDFALL_CALENDAR_URL": url} if url else {}))
    command = [sys.executable, "-m", "cli", "calendar", *words]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


# -- the home is elsewhere --


@pytest.fixture
def elsewhere() -> str:
    """An address where nobody answers."""
    return f"http://127.0.0.1:{free_port()}"


def test_service__decides_and_its_copy_goes_on_through_an_outage(bank: Bank, door: Door, tmp_path: Path) -> None:
    bank.create("fx")
    with serving(bank.url, holders(tmp_path)) as service:
        url = {"FEEDFALL_CALENDAR_URL": str(service.base_url)}
        closed = {"day": OPEN_DAY, "is_open": False, "reason": "임시휴일", "evidence": "관보"}
        service.post("/v1/calendars/TARGET/overrides", json=closed, headers=KIM)
        version = service.get("/v1/calendars/TARGET").json()["version"]
        assert pub(door, OPEN_DAY, **url) == (0, "SKIPPED", version)
    assert pub(door, "2026-10-29", **url) == (0, "SUCCEEDED", version)  # nobody answers any more
    assert bank.value("SELECT count(*) FROM feedfall.calendar_copy") == 1


def test_service__is_asked_by_the_sweep_too(bank: Bank, door: Door) -> None:
    argo = {"ARGO_SERVER": "http://127.0.0.1:1", "ARGO_NAMESPACE": "x"}
    with serving(bank.url) as service:
        door("sweep", FEEDFALL_CALENDAR_URL=str(service.base_url), **argo)
    assert bank.rows("SELECT calendar FROM feedfall.calendar_copy ORDER BY calendar") == [("TARGET",)]


def test_gate__a_copy_that_is_too_old_is_not_believed(bank: Bank, door: Door, elsewhere: str) -> None:
    bank.create("fx")
    with serving(bank.url) as service:
        assert pub(door, "2026-10-29", FEEDFALL_CALENDAR_URL=str(service.base_url))[0] == 0
    bank.rows("UPDATE feedfall.calendar_copy SET confirmed_at = clock_timestamp() - interval '40 hours'")
    done = door("pub", "--feed=fx", f"--base-date={OPEN_DAY}", FEEDFALL_CALENDAR_URL=elsewhere)
    assert (done.exit, done.status) == (75, "FAILED")
    assert "the copy of calendar TARGET is 40.0 hours old, and 36 are allowed" in done.words["reason"]
    assert "--policy=OrderAnyway" in done.words["reason"]
    assert f"CALENDAR TARGET: the calendar service {elsewhere} does not answer" in done.stdout
    longer = {"FEEDFALL_CALENDAR_URL": elsewhere, "FEEDFALL_CALENDAR_HOURS": "48"}
    assert pub(door, OPEN_DAY, **longer)[:2] == (0, "SUCCEEDED")


def test_gate__without_a_copy_nothing_is_guessed(bank: Bank, door: Door, elsewhere: str) -> None:
    bank.create("fx")
    done = door("pub", "--feed=fx", f"--base-date={OPEN_DAY}", FEEDFALL_CALENDAR_URL=elsewhere)
    assert (done.exit, done.status) == (75, "FAILED")
    assert "there is no copy of calendar TARGET yet" in done.words["reason"]
    assert bank.value("SELECT count(*) FROM feedfall.request") == 0
    anyway = pub(door, OPEN_DAY, "--policy=OrderAnyway", FEEDFALL_CALENDAR_URL=elsewhere)
    assert anyway == (0, "SUCCEEDED", "")


def test_gate__what_is_no_calendar_is_not_kept(bank: Bank, door: Door) -> None:
    """A proxy's own page, or another service at that address."""
    bank.create("fx")
    with serving(bank.url) as service:
        wrong = str(service.base_url.join("/docs#"))
        done = door("pub", "--feed=fx", f"--base-date={OPEN_DAY}", FEEDFALL_CALENDAR_URL=wrong)
    assert (done.exit, bank.value("SELECT count(*) FROM feedfall.calendar_copy")) == (75, 0)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"FEEDFALL_CALENDAR_URL": "home.bank"}, "write http://host or https://host"),
        ({"FEEDFALL_CALENDAR_URL": "http://home:port"}, "Check FEEDFALL_CALENDAR_URL"),
        (
            {"FEEDFALL_CALENDAR_URL": "https://home", "FEEDFALL_CALENDAR_CA_FILE": "/nowhere.pem"},
            "Check FEEDFALL_CALENDAR_URL and FEEDFALL_CALENDAR_CA_FILE",
        ),
        ({"FEEDFALL_CALENDAR_HOURS": "soon"}, "FEEDFALL_CALENDAR_HOURS is 'soon': give hours, from 0.1 to 720"),
    ],
)
def test_gate__a_setting_that_is_wrong_is_said(door: Door, environ: dict[str, str], words: str) -> None:
    done = door("pub", "--feed=fx", f"--base-date={OPEN_DAY}", **environ)
    assert (done.exit, words in done.words["reason"]) == (78, True)


# -- the client, in another program --


def test_client__answers_from_a_copy_until_it_is_too_old(bank: Bank, tmp_path: Path) -> None:
    copies = Folder(tmp_path / "copies")
    with serving(bank.url) as service:
        url = str(service.base_url)
        with Client(url, copies) as client:
            known = client.calendar("BANK")
    assert known.version == business_day.calendar("BANK").version
    with Client(url, copies) as later:
        assert later.calendar("BANK").version == known.version
    with Client(url, copies, max_age=0.0) as strict, pytest.raises(Unavailable, match=r"hours old.*does not answer"):
        strict.calendar("BANK")
    with Client(url, copies) as client, pytest.raises(Unavailable, match="there is no copy of calendar KRX yet"):
        client.calendar("KRX")


def test_client__sees_what_is_declared_after_a_minute(bank: Bank, tmp_path: Path) -> None:
    now = [0.0]
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    with (
        serving(bank.url, holders(tokens)) as service,
        Client(str(service.base_url), Folder(tmp_path), clock=lambda: now[0]) as client,
    ):
        first = client.calendar("BANK")
        closed = {"day": "20261224", "is_open": False, "reason": "임시휴일", "evidence": "관보"}
        service.post("/v1/calendars/BANK/overrides", json=closed, headers=KIM)
        assert client.calendar("BANK") is first
        now[0] = 61.0
        assert client.calendar("BANK").override(business_day.read_date("20261224"))
        with pytest.raises(UnknownCalendar, match="no calendar 'BNK'"):
            client.calendar("BNK")


def test_copy__that_was_changed_by_hand_is_refused_and_mended(bank: Bank, tmp_path: Path) -> None:
    with serving(bank.url) as service:
        url = str(service.base_url)
        with Client(url, Folder(tmp_path)) as client:
            version = client.calendar("BANK").version
        file = tmp_path / "BANK.json"
        file.write_text(file.read_text().replace("2026-12-25", "2026-12-24"))
        with Client(url, Folder(tmp_path)) as client:
            assert client.calendar("BANK").version == version
        file.write_text(file.read_text().replace("2026-12-25", "2026-12-24"))
    with Client(url, Folder(tmp_path)) as client, pytest.raises(Unavailable, match="was changed"):
        client.calendar("BANK")


# -- a bank's own table --


def test_import__applied_declares_all_that_differs_and_then_agrees(bank: Bank, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("day,closed\n20260923,N\n20260924,Y\n20260925,N\n20260926,Y\n20260927,Y\n20260928,Y\n20260929,N\n")
    words = ("calendar", "import", "BANK", "--from", str(table), "--map", "day=day", "--map", "closed=closed")
    assert "Nothing was changed" in feedfall(bank, *words).stdout
    told = feedfall(bank, *words, "--apply", "--by=kim")
    assert "All 2 are declared, and hold from the next run on." in told.stdout, told
    assert [(each["day"], each["is"], each["by"]) for each in overrides(bank)] == [
        ("2026-09-25", "open", "kim"),
        ("2026-09-28", "closed", "kim"),
    ]
    assert "agrees on all 7 days" in feedfall(bank, *words, "--apply", "--by=kim").stdout
    assert (
        bank.value("SELECT count(*) FROM feedfall.journal WHERE who = 'kim' AND verb = 'declare' AND phase IS NULL")
        == 2
    )
    assert '"is_business_day": true' in feedfall(bank, "calendar", "day", "BANK", "20260925", "--json").stdout
