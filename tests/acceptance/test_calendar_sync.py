"""`feedfall calendar sync` and `import`: they propose, and change nothing."""

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import Result

from calendar_command import BANK, calendar, refused
from gazette import gazette
from portal import answer, rows, serving


def year_2026(**more: str) -> str:
    days = {day: name for day, name in gazette().items() if day.year == 2026}
    days |= {date.fromisoformat(day.replace("_", "-")[1:]): name for day, name in more.items()}
    return answer(rows(*((int(f"{day:%Y%m%d}"), name) for day, name in sorted(days.items()))))


def sync(text: str, *words: str) -> Result:
    with serving((200, text)) as (_, url):
        return calendar("sync", "--year=2026", *words, FEEDFALL_KASI_KEY="secret", FEEDFALL_KASI_URL=url)


def test_sync__that_agrees_says_so() -> None:
    assert sync(year_2026()).stdout == f"{BANK.version} agrees on all 261 days that were compared.\n"


def test_sync__proposes_a_temporary_holiday_as_a_command_to_paste() -> None:
    shown = sync(year_2026(d2026_11_27="임시공휴일")).stdout
    assert f"{BANK.version} differs on 1 of 261 days:\n" in shown
    assert "  2026-11-27 금 Fri  ours: open  theirs: closed, 임시공휴일\n" in shown
    assert (
        "  feedfall calendar declare BANK 2026-11-27 --closed --reason '임시공휴일' --evidence 'data.go.kr 특일"
        in shown
    )


def test_sync__proposes_blocks_for_a_calendar_file_that_make_it_agree(tmp_path: Path) -> None:
    text = year_2026(d2026_11_27="임시공휴일")
    (tmp_path / "own.toml").write_text(sync(text, "--toml").stdout, encoding="utf-8")
    with serving((200, text)) as (_, url):
        env = {"FEEDFALL_KASI_KEY": "secret", "FEEDFALL_KASI_URL": url, "FEEDFALL_CALENDARS": str(tmp_path)}
        assert "agrees on all 261 days" in calendar("sync", "--year=2026", **env).stdout


def test_sync__gives_a_program_the_differences() -> None:
    told = json.loads(sync(year_2026(d2026_11_27="임시공휴일"), "--json").stdout)
    assert (told["published"], told["compared"]) == (True, 261)
    assert [(each["base_date"], each["is_business_day"]) for each in told["differences"]] == [("2026-11-27", False)]


def test_sync__of_a_year_that_is_not_published_says_nothing_of_its_holidays() -> None:
    nothing = answer([]).replace('{"item": []}', '""')
    assert sync(nothing).stdout == "2026 is not published yet. That says nothing of its holidays: ask again later.\n"
    assert json.loads(sync(nothing, "--json").stdout) == {"calendar": "BANK", "year": 2026, "published": False}


def test_sync__passes_over_what_the_list_calls_no_holiday_and_says_so() -> None:
    days = [*rows((20260101, "1월1일")), *rows((20260717, "제헌절"), flag="N")]
    ended = sync(answer(days))
    assert "skipped: 2026-07-17 제헌절, which the answer lists as no holiday\n" in ended.stderr
    assert "2026-07-17 금 Fri  ours: closed: 제헌절 (Constitution Day)  theirs: open, not on the" in ended.stdout


def test_sync__of_a_year_that_the_calendar_does_not_cover_compares_nothing() -> None:
    with serving((200, answer(rows((20310101, "1월1일"))))) as (_, url):
        told = refused("sync", "--year=2031", FEEDFALL_KASI_KEY="secret", FEEDFALL_KASI_URL=url)
    assert told == "BANK covers 2018-01-01 to 2028-12-31: there is no day to compare\n"


TABLE = """\
STD_DT,HDY_YN,NXT_SLS_DT,BF_SLS_DT
20260922,N,20260923,20260921
20260923,N,20260925,20260922
20260924,Y,20260925,20260923
20260925,N,20260928,20260923
"""


@pytest.fixture
def table(tmp_path: Path) -> str:
    (tmp_path / "table.csv").write_text(TABLE)
    return str(tmp_path / "table.csv")


def test_import__from_a_file_proposes_what_differs(table: str) -> None:
    shown = calendar("import", "BANK", "--from", table).stdout
    assert "differs on 1 of 4 days" in shown
    assert "2026-09-25 금 Fri  ours: closed: 추석 (Chuseok)  theirs: open, open in table.csv" in shown
    assert "feedfall calendar declare BANK 2026-09-25 --open --reason 'open in table.csv' --evidence table.csv" in shown


def test_import__reads_standard_input_too() -> None:
    told = json.loads(calendar("import", "BANK", "--from=-", "--json", stdin=TABLE).stdout)
    assert [each["base_date"] for each in told["differences"]] == ["2026-09-25"]


def test_import__writes_the_table_as_a_calendar_of_ones_own(table: str, tmp_path: Path) -> None:
    written = calendar("import", "BANK", "--from", table, "--as=OURS").stdout
    (tmp_path / "own.toml").write_text(written, encoding="utf-8")
    told = calendar("shift", "OURS", "2026-09-23", "--days=1", FEEDFALL_CALENDARS=str(tmp_path / "own.toml"))
    assert told.stdout == "2026-09-25\n"
