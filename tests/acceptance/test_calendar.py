"""`feedfall calendar`, as an operator types it."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

import business_day
from bank import ROOT
from calendar_command import BANK, calendar, refused

SEPTEMBER = f"""\
BANK  2026-09  20 business days

 월 Mon   화 Tue   수 Wed   목 Thu   금 Fri   토 Sat   일 Sun
           1 #1     2 #2     3 #3     4 #4   [ 5]     [ 6]
  7 #5     8 #6     9 #7    10 #8    11 #9   [12]     [13]
 14 #10   15 #11   16 #12   17 #13   18 #14  [19]     [20]
 21 #15   22 #16   23 #17  [24]     [25]     [26]     [27]       24 추석 전날 · 25 추석
 28 #18   29 #19   30 #20

{BANK.version} covers 2018-01-01 to 2028-12-31 by the days of Asia/Seoul
"""


@pytest.mark.parametrize("period", ["2026-09", "202609"])
def test_show__hangs_a_month_on_the_wall(period: str) -> None:
    assert calendar("show", "BANK", period).stdout == SEPTEMBER


def test_show__lists_the_closures_of_a_year() -> None:
    lines = calendar("show", "KRX", "2026").stdout.splitlines()
    assert len(lines) == 1 + 17 + 3
    assert lines[17] == "2026-12-31  목 Thu  MARKET      연말휴장일 (End of Year Holiday)"
    assert lines[-2] == "244 business days"


def test_show__gives_a_program_every_day() -> None:
    days = json.loads(calendar("show", "BANK", "2026-09", "--json").stdout)
    assert len(days) == 30
    assert [day["base_date"] for day in days if not day["is_business_day"] and day["holiday_kind"] != "WEEKEND"] == [
        "2026-09-24",
        "2026-09-25",
    ]


def test_show__does_not_guess_behind_the_end(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[DESK]\ninclude = ["BANK"]\nthrough = 2027-12-15\n')
    shown = calendar("show", "DESK", "2027-12", FEEDFALL_CALENDARS=str(tmp_path)).stdout
    assert "DESK  2027-12  not covered to its ends" in shown
    assert " 13 #9    14 #10   15 #11   16 ?     17 ?     18 ?     19 ?" in shown


def test_show__does_not_count_what_began_before_the_calendar(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[DESK]\ninclude = ["BANK"]\nfrom = 2026-09-10\n')
    shown = calendar("show", "DESK", "2026-09", FEEDFALL_CALENDARS=str(tmp_path)).stdout
    assert "DESK  2026-09  not covered to its ends" in shown
    assert "  7 ?      8 ?      9 ?     10 #?    11 #?   [12]     [13]" in shown


@pytest.mark.parametrize("day", ["2026-09-24", "20260924", "260924"])
def test_day__tells_why_it_is_closed_and_what_is_around_it(day: str) -> None:
    assert calendar("day", "BANK", day).stdout == (
        "2026-09-24 목 Thu is closed on BANK: 추석 전날 (The day preceding Chuseok)\n"
        "previous business day  2026-09-23 수 Wed\n"
        "next business day      2026-09-28 월 Mon\n"
        "first of the month     2026-09-01 화 Tue\n"
        "last of the month      2026-09-30 수 Wed\n"
        f"{BANK.version} covers 2018-01-01 to 2028-12-31 by the days of Asia/Seoul\n"
    )


def test_day__tells_where_an_open_day_stands() -> None:
    told = calendar("day", "BANK", "2026-09-23").stdout.splitlines()[0]
    assert told == "2026-09-23 수 Wed is open on BANK: business day 17 of 20 in its month"


def test_day__tells_who_decided(tmp_path: Path) -> None:
    decided = (
        '[[override]]\ncalendar = "BANK"\nday = 2026-11-27\nopen = false\nreason = "임시공휴일"\n'
        'evidence = "관보 제1호"\nby = "kim"\nat = 2026-11-03T10:00:00+09:00\n'
    )
    (tmp_path / "own.toml").write_text(decided, encoding="utf-8")
    told = calendar("day", "BANK", "2026-11-27", FEEDFALL_CALENDARS=str(tmp_path)).stdout
    assert "is closed on BANK: 임시공휴일\n" in told
    assert "BANK was closed by kim on 2026-11-03: 임시공휴일; see 관보 제1호\n" in told
    as_json = json.loads(calendar("day", "BANK", "261127", "--json", FEEDFALL_CALENDARS=str(tmp_path)).stdout)
    assert (as_json["holiday_kind"], as_json["updated_by"]) == ("OVERRIDE", "kim")
    assert as_json["version"] != BANK.version


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("--policy=OrderOnNextConfirmedDay",), "2026-09-28", 0),
        (("--policy=OrderOnPreviousConfirmedDay",), "2026-09-23", 0),
        (("--policy=OrderAnyway",), "2026-09-24", 0),
        (
            ("--policy=DoNotOrder",),
            "BANK is closed on 2026-09-24 (추석 전날 (The day preceding Chuseok)): DoNotOrder",
            77,
        ),
        (("--days=+3",), "2026-09-30", 0),
        (("--days=-1",), "2026-09-23", 0),
    ],
)
def test_shift__prints_the_day_alone(words: tuple[str, ...], said: str, code: int) -> None:
    ended = calendar("shift", "BANK", "2026-09-24", *words)
    assert (ended.stdout, ended.exit_code) == (f"{said}\n", code)


def test_shift__gives_a_program_what_it_decided_with() -> None:
    ended = calendar("shift", "BANK", "2026-09-24", "--policy=DoNotOrder", "--json")
    assert ended.exit_code == 77
    told = json.loads(ended.stdout)
    assert (told["policy"], told["shifted"], told["version"]) == ("DoNotOrder", None, BANK.version)


def test_list__names_every_calendar_with_its_range(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[DESK]\ninclude = ["BANK", "US"]\n')
    shown = calendar("list", FEEDFALL_CALENDARS=str(tmp_path)).stdout
    assert f"BANK      2018-01-01  2028-12-31  Asia/Seoul        {BANK.version}\n" in shown
    listed = json.loads(calendar("list", "--json", FEEDFALL_CALENDARS=str(tmp_path)).stdout)
    assert [each["calendar"] for each in listed] == ["BANK", "DESK", "FX", "KRX", "NONE", "TARGET", "US"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("day", "BANK", "2031-01-01"), "BANK covers 2018-01-01 to 2028-12-31, not 2031-01-01"),
        (("show", "BANK", "2029"), "BANK covers 2018-01-01 to 2028-12-31, not 2029-01-01"),
        (("day", "BNK", "2026-01-01"), "no calendar 'BNK': there are BANK, FX, KRX, NONE, TARGET, US"),
        (("day", "BANK", "2026/1/1"), "'2026/1/1' is not a date: write YYYY-MM-DD, YYYYMMDD or YYMMDD"),
        (("show", "BANK", "2026-13"), "'2026-13' is neither a month nor a year: write 2026-09, 202609 or 2026"),
        (("shift", "BANK", "2026-09-24"), "give either --policy or --days"),
        (("shift", "BANK", "2026-09-24", "--days=0"), "2026-09-24 is closed on BANK"),
        (("sync", "--year=2026"), "not set: FEEDFALL_KASI_KEY"),
        (
            ("sync", "--year=2026", "--calendar=TARGET"),
            "TARGET lives by the days of Europe/Brussels: the list is of Korea",
        ),
        (("import", "BANK", "--from=nowhere.csv"), "nowhere.csv: No such file or directory"),
    ],
)
def test_mistake__is_one_sentence_and_exit_78(words: tuple[str, ...], said: str) -> None:
    told = refused(*words)
    assert said in told
    assert told.count("\n") == 1


def test_mistake_in_a_calendar_file__is_told_by_every_command(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[BANK]\n")
    told = refused("day", "BANK", "2026-09-24", FEEDFALL_CALENDARS=str(tmp_path))
    assert told.startswith(f"{tmp_path}/own.toml: [BANK]: there is a BANK already")


# docs/calendar.md


def document() -> str:
    return (ROOT / "docs" / "calendar.md").read_text(encoding="utf-8")


def test_document__prints_what_the_command_prints() -> None:
    assert f"$ feedfall calendar show BANK 2026-09\n{SEPTEMBER}```" in document()


def test_document__shows_a_calendar_file_that_works(tmp_path: Path) -> None:
    [block] = re.findall(r"```toml\n(.*?)```", document(), re.DOTALL)
    (tmp_path / "own.toml").write_text(block, encoding="utf-8")
    desk = business_day.calendar("DESK", own=business_day.read_own(str(tmp_path)))
    assert [desk.is_business_day(date(2026, *day)) for day in ((7, 18), (10, 2), (11, 27))] == [True, False, False]


def test_document__names_every_field_of_a_day() -> None:
    told = json.loads(calendar("day", "BANK", "2026-09-24", "--json").stdout)
    assert [field for field in told if f"`{field}`" not in document()] == []


def test_document__shows_python_that_runs() -> None:
    [block] = re.findall(r"```python\n(.*?)```", document(), re.DOTALL)
    day, last = date(2026, 9, 24), date(2026, 9, 30)
    exec(block, {"day": day, "first": day, "last": last})  # noqa: S102 -- our own document
