"""A calendar file that a person writes: what it may say, and what is said of each mistake."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

import business_day
from business_day import BadCalendar, Calendar, Closure, Contradiction, NotCovered, Override, UnknownCalendar

DESK = """\
[DESK]
include = ["BANK", "US"]
through = 2027-12-15

[DESK.closed]
2026-10-02 = "창립기념일"

[DESK.open]
2026-07-18 = "차세대 이행"
"""
ALONE = """\
[GULF]
zone = "Asia/Dubai"
from = 2026-01-01
through = 2026-12-31
weekend = ["fri", "sat"]
"""
TEMPORARY = """\
[[override]]
calendar = "BANK"
day = 2026-11-27
open = false
reason = "임시공휴일"
evidence = "관보 제1호"
by = "kim"
at = 2026-11-03T10:00:00+09:00
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "own.toml"


def opened(file: Path, text: str, name: str) -> Calendar:
    file.write_text(text, encoding="utf-8")
    return business_day.calendar(name, own=business_day.read_own(str(file)))


@pytest.mark.parametrize(
    ("day", "closure"),
    [
        (date(2026, 9, 24), Closure("PUBLIC", "추석 전날", "The day preceding Chuseok")),  # by BANK
        (date(2026, 11, 26), Closure("BANK", "Thanksgiving Day")),  # by US
        (date(2026, 10, 2), Closure("OWN", "창립기념일")),
        (date(2026, 7, 18), None),  # a Saturday, opened
        (date(2026, 7, 25), Closure("WEEKEND", "토요일", "Saturday")),  # another
        (date(2026, 7, 16), None),
    ],
)
def test_own_calendar__closes_where_one_it_includes_does(file: Path, day: date, closure: Closure | None) -> None:
    assert opened(file, DESK, "DESK").closure(day) == closure


def test_own_calendar__lives_and_begins_with_what_it_includes(file: Path) -> None:
    desk = opened(file, DESK, "DESK")
    assert (desk.zone, desk.covers) == ("Asia/Seoul", (date(2018, 1, 1), date(2027, 12, 15)))
    with pytest.raises(NotCovered, match="DESK covers 2018-01-01 to 2027-12-15, not 2027-12-16"):
        desk.is_business_day(date(2027, 12, 16))


def test_own_calendar__may_have_another_weekend(file: Path) -> None:
    gulf = opened(file, ALONE, "GULF")
    assert gulf.zone == "Asia/Dubai"
    assert gulf.days(date(2026, 9, 24), date(2026, 9, 28)) == [date(2026, 9, day) for day in (24, 27, 28)]


def test_own_calendar__may_include_another_of_its_file(file: Path) -> None:
    both = DESK + '[NIGHT]\ninclude = ["DESK"]\n[NIGHT.closed]\n2026-10-05 = "점검"\n'
    night = opened(file, both, "NIGHT")
    assert night.closure(date(2026, 10, 2)) == Closure("OWN", "창립기념일")
    assert night.is_business_day(date(2026, 7, 18))  # what DESK opened is open


def test_own_calendar__changes_its_version_with_what_it_includes(file: Path) -> None:
    version = opened(file, DESK, "DESK").version
    assert opened(file, DESK, "DESK").version == version
    assert opened(file, DESK + TEMPORARY, "DESK").version != version
    assert opened(file, DESK.replace("10-02", "10-06"), "DESK").version != version


def test_override_of_a_file__holds_for_its_calendar_and_who_includes_it(file: Path) -> None:
    decided = Override(
        "BANK",
        date(2026, 11, 27),
        is_open=False,
        reason="임시공휴일",
        evidence="관보 제1호",
        by="kim",
        at=datetime(2026, 11, 3, 10, 0, tzinfo=timezone(timedelta(hours=9))),
    )
    for name in ("BANK", "DESK"):
        calendar = opened(file, DESK + TEMPORARY, name)
        assert calendar.closure(decided.day) == Closure("OVERRIDE", "임시공휴일")
        assert calendar.override(decided.day) == decided
    assert opened(file, DESK + TEMPORARY, "KRX").is_business_day(decided.day)


def test_override__of_an_included_calendar_that_decides_nothing_is_not_told(file: Path) -> None:
    saturday = TEMPORARY.replace("2026-11-27", "2026-11-28").replace("false", "true")
    desk = opened(file, DESK + saturday, "DESK")
    assert not desk.is_business_day(date(2026, 11, 28))  # US is closed all the same
    assert desk.override(date(2026, 11, 28)) is None


def test_override__of_the_ledger_and_of_a_file_that_disagree_are_refused(file: Path) -> None:
    file.write_text(TEMPORARY, encoding="utf-8")
    ledger = Override(
        "BANK", date(2026, 11, 27), is_open=True, reason="운영", by="lee", at=datetime(2026, 11, 4, tzinfo=UTC)
    )
    with pytest.raises(Contradiction, match=r"closed by kim \(임시공휴일\), and open by lee \(운영\). Withdraw one"):
        business_day.calendar("BANK", [ledger], business_day.read_own(str(file)))


def test_folder__is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(DESK, encoding="utf-8")
    (tmp_path / "b.toml").write_text(ALONE + '[BOTH]\ninclude = ["DESK", "GULF"]\n', encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not TOML", encoding="utf-8")
    own = business_day.read_own(str(tmp_path))
    assert business_day.names(own) == ["BANK", "BOTH", "DESK", "FX", "GULF", "KRX", "NONE", "TARGET", "US"]
    assert business_day.calendar("BOTH", own=own).covers == (date(2026, 1, 1), date(2026, 12, 31))


def test_no_file__is_no_calendar_of_ones_own() -> None:
    assert business_day.names(business_day.read_own("")) == ["BANK", "FX", "KRX", "NONE", "TARGET", "US"]


def test_unknown_calendar__lists_ones_own_too(file: Path) -> None:
    with pytest.raises(UnknownCalendar, match="no calendar 'DSK': there are BANK, DESK, FX"):
        opened(file, DESK, "DSK")


#: What is written → what is said of it, after the file's name.
MISTAKES = {
    "DESK = [": "not TOML: ",
    'DESK = "BANK"': r"DESK: is not a table: write \[DESK\]",
    "[desk]": r"\[desk\]: a name is 1 to 31 of A-Z, 0-9 and _, a letter first",
    "[BANK]": r'\[BANK\]: there is a BANK already: take another name, and include = \["BANK"\]',
    '[DESK]\ninclud = ["BANK"]': "DESK.includ: is not known: there are include, zone, from, through",
    '[DESK]\ninclude = "BANK"': r'DESK.include: is a list of names: write include = \["…"\]',
    '[DESK]\ninclude = ["BNK"]': "DESK.include: no 'BNK': there are BANK, FX, KRX",
    '[DESK]\ninclude = ["DESK"]': "DESK.include: leads back to DESK itself",
    '[A]\ninclude = ["B"]\n[B]\ninclude = ["A"]': "A.include: leads back to A itself",
    "[DESK]": 'DESK.zone: is needed where nothing is included: write zone = "Asia/Seoul"',
    '[DESK]\nzone = "Asia/Seoul"': "DESK.from: is needed where nothing is included",
    '[DESK]\nzone = "Asia/Seoul"\nfrom = 2026-01-01': "DESK.through: is needed where nothing is included",
    '[DESK]\nzone = "Seoul"': "DESK.zone: 'Seoul' is no time zone: write one such as Asia/Seoul",
    '[DESK]\nzone = ""': "DESK.zone: '' is no time zone",
    '[DESK]\nzone = "Asia"': "DESK.zone: 'Asia' is no time zone",
    '[DESK]\nzone = "../etc"': "DESK.zone: '../etc' is no time zone",
    "[DESK]\nzone = 9": 'DESK.zone: is text: write zone = "…"',
    '[DESK]\ninclude = ["BANK"]\nthrough = "2027-12-31"': "DESK.through: is a date without quotes",
    '[DESK]\ninclude = ["BANK"]\nthrough = 2027-12-31T00:00:00Z': "DESK.through: is a date without quotes",
    '[DESK]\ninclude = ["BANK"]\nweekend = ["Saturday"]': "DESK.weekend: 'Saturday' is no weekday: write mon, tue",
    '[DESK]\ninclude = ["BANK"]\nclosed = ["2026-10-02"]': r"DESK.closed: holds a line a day: write \[DESK.closed\]",
    '[DESK]\ninclude = ["BANK"]\nclosed.2026-10-32 = "x"': "DESK.closed.2026-10-32: is not a date: write it as 20",
    '[DESK]\ninclude = ["BANK"]\nclosed.20261002 = "x"': "DESK.closed.20261002: is not a date",
    '[DESK]\ninclude = ["BANK"]\nclosed.2026-10-02 = true': 'DESK.closed.2026-10-02: says why: write 2026-10-02 = "창',
    '[DESK]\ninclude = ["BANK"]\nclosed.2026-10-02 = "x"\nopen.2026-10-02 = "y"': "DESK.open: 2026-10-02 is in",
    "[override]\nday = 2026-11-27": r"override: write \[\[override\]\], with two brackets",
    TEMPORARY.replace('"BANK"', '"BNK"'): "override 2026-11-27: no calendar 'BNK': there are BANK",
    TEMPORARY.replace("day =", "date ="): "override 1.date: is not known: there are calendar, day, open",
    TEMPORARY.replace("day = 2026-11-27", ""): "override 1.day: is needed: write day = 2026-11-27",
    TEMPORARY.replace("false", '"no"'): "override 1.open: is true or false",
    TEMPORARY.replace('"임시공휴일"', '" "'): 'override 1.reason: is text: write reason = "…"',
    TEMPORARY.replace("+09:00", ""): "override 1.at: is a moment with its offset",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistake__is_told_with_file_and_key_and_what_to_write(file: Path, text: str) -> None:
    with pytest.raises(BadCalendar, match=f"^{file}: {MISTAKES[text]}"):
        opened(file, text, "BANK")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            DESK.replace("2027-12-15", "2030-12-31"),
            "DESK: from 2018-01-01 through 2030-12-31 must lie within 2018-01-01",
        ),
        (DESK.replace("through = 2027", "from = 2017-01-01\nthrough = 2027"), "DESK: from 2017-01-01 through"),
        (
            DESK.replace("2026-10-02", "2028-10-02"),
            "DESK: 2028-10-02 lies outside 2018-01-01 to 2027-12-15: take it out",
        ),
        (ALONE.replace("2026-12-31", "2025-12-31").replace("GULF", "DESK"), "DESK: from 2026-01-01 through 2025-12-31"),
    ],
)
def test_range__that_nobody_answers_for_is_refused(file: Path, text: str, said: str) -> None:
    with pytest.raises(BadCalendar, match=f"^{file}: {said}"):
        opened(file, text, "DESK")


def test_file__that_is_not_there_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(BadCalendar, match=r"nowhere.toml: No such file or directory\. FEEDFALL_CALENDARS"):
        business_day.read_own(str(tmp_path / "nowhere.toml"))


def test_file__that_is_not_utf8_is_told(file: Path) -> None:
    file.write_bytes('[DESK]\nclosed.2026-10-02 = "창립"\n'.encode("cp949"))
    with pytest.raises(BadCalendar, match="not TOML: 'utf-8' codec"):
        business_day.read_own(str(file))


def test_name__in_two_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(ALONE, encoding="utf-8")
    (tmp_path / "b.toml").write_text(ALONE, encoding="utf-8")
    with pytest.raises(BadCalendar, match=r"b.toml: \[GULF\]: there is a GULF already"):
        business_day.read_own(str(tmp_path))
