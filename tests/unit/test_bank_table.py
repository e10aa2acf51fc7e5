"""A bank's own table as CSV: its known shapes and others, where it contradicts itself, and what it proposes."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

import business_day
from business_day import Calendar, Closure, Override
from gazette import gazette
from ledger.errors import DataRefused, Misconfigured
from operate.calendar import bank_table, compare
from operate.calendar.compare import Difference, SourceDay

BANK = business_day.calendar("BANK")
FIRST, LAST = date(2026, 9, 14), date(2026, 10, 16)


def span() -> Iterator[date]:
    return (FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1))


def dwa(calendar: Calendar = BANK) -> str:
    """The warehouse table of a commercial bank: on a closed day biz_dt is the business day before."""
    lines = ["DW_BAS_DDT,DT_G,BIZ_DT,BIZ_DAYW_NM,NEXT_BIZ_DT,BF1_BIZ_DT"]
    for day in span():
        current = day if calendar.is_business_day(day) else calendar.previous(day)
        after, before = calendar.next(day), calendar.previous(day)
        lines.append(f"{day:%Y%m%d},1,{current:%Y%m%d},{day:%a},{after:%Y%m%d},{before:%Y%m%d}")
    return "\n".join(lines) + "\n"


def om(calendar: Calendar = BANK) -> str:
    """Another bank's."""
    lines = ["STD_DT,HDY_YN,NXT_SLS_DT,BF_SLS_DT,D2_BF_SLS_DT"]
    for day in span():
        holiday = "N" if calendar.is_business_day(day) else "Y"
        after, before = calendar.next(day), calendar.previous(day)
        lines.append(f"{day:%Y%m%d},{holiday},{after:%Y%m%d},{before:%Y%m%d},{calendar.offset(day, -2):%Y%m%d}")
    return "\n".join(lines) + "\n"


def korean(calendar: Calendar = BANK) -> str:
    lines = ["기준일자,휴일명,영업일여부"]
    lines += [f"{day},{calendar.closure(day) or ''},{int(calendar.is_business_day(day))}" for day in span()]
    return "\n".join(lines) + "\n"


KOREAN = bank_table.mapping(["day=기준일자", "open=영업일여부", "name=휴일명"])


@pytest.mark.parametrize("shape", [dwa, om])
def test_table__of_a_known_shape_needs_no_words(shape: Callable[[], str]) -> None:
    read = bank_table.read(shape().encode(), {})
    assert read == [SourceDay(day, BANK.is_business_day(day)) for day in span()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_table__of_another_shape_is_mapped(encoding: str) -> None:
    read = bank_table.read(korean().encode(encoding), KOREAN)
    assert read == [SourceDay(day, BANK.is_business_day(day), str(BANK.closure(day) or "")) for day in span()]


def test_table__may_come_in_any_order_with_blank_lines() -> None:
    header, *lines = om().splitlines()
    shuffled = "\r\n".join([header, *reversed(lines), ""])
    assert bank_table.read(shuffled.encode(), {}) == bank_table.read(om().encode(), {})


def replaced(old: str, new: str) -> str:
    text = om()
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("STD_DT,HDY_YN,NXT_SLS_DT,BF_SLS_DT\n", "no day in it"),
        (replaced("\n20260921,N", "\n20260920,N"), "line 9: 2026-09-20 is there twice, on line 8 before"),
        (replaced("\n20260921,N", "\n20261021,N"), "line 10: 2026-09-21 to 2026-09-21 is missing"),
        (replaced("\n20260921,N", "\n20260931,N"), "line 9: '20260931' is not a date: write YYYY-MM-DD"),
        (replaced("\n20260921,N", "\n20260921,?"), "line 9: '[?]' is neither Y nor N"),
        (
            replaced("\n20260921,N,20260922,20260918,20260917", "\n20260921,N"),
            "line 9: 2 columns, fewer than the first",
        ),
        (
            replaced("\n20260921,N,20260922", "\n20260921,N,20260923"),
            "line 9: the next business day of 2026-09-21 is 2026-09-23, but its flags make it 2026-09-22",
        ),
        (
            replaced("\n20260928,N,20260929,20260923", "\n20260928,N,20260929,20260925"),
            "line 16: the previous business day of 2026-09-28 is 2026-09-25, but its flags make it 2026-09-23",
        ),
        (  # a flag that was turned: its neighbours still point past it
            replaced("\n20260922,N", "\n20260922,Y"),
            "line 9: the next business day of 2026-09-21 is 2026-09-22, but its flags make it 2026-09-23",
        ),
        (  # at the end the table cannot judge, but a next business day before its end is wrong
            replaced("\n20261016,N,20261019", "\n20261016,N,20261015"),
            "line 34: the next business day of 2026-10-16 is 2026-10-15, but its flags make it a day beyond 2026-10-16",
        ),
    ],
)
def test_table__that_contradicts_itself_is_refused(text: str, said: str) -> None:
    with pytest.raises(DataRefused, match=said):
        bank_table.read(text.encode(), {})


def test_table__with_many_mistakes_tells_the_first_and_counts_the_rest() -> None:
    with pytest.raises(DataRefused, match=r"line 6: .* and 28 more") as caught:
        bank_table.read(om().replace(",N,", ",?,").replace(",Y,", ",?,").encode(), {})
    assert str(caught.value).count("\n") == 4


def test_table__in_no_known_encoding_is_refused() -> None:
    with pytest.raises(DataRefused, match="neither UTF-8 nor CP949"):
        bank_table.read(b"STD_DT\n\xff\xff\xff\n", {})


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([], "which column is which[?] There are 기준일자, 휴일명, 영업일여부. Write --map day="),
        (["day=기준일자"], "which column is which"),
        (["day=기준일자", "open=영업일여부", "closed=휴일명"], "which column is which"),
        (["day=기준일", "open=영업일여부"], "no column 기준일: there are 기준일자"),
        (["date=기준일자"], "--map date=기준일자: write MEANING=COLUMN, a meaning of day, open, closed"),
        (["day"], "--map day=: write MEANING=COLUMN"),
    ],
)
def test_columns__that_are_not_clear_are_asked_for(pairs: list[str], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        bank_table.read(korean().encode(), bank_table.mapping(pairs))


# What is proposed


def decided(day: date, *, is_open: bool) -> Override:
    return Override("BANK", day, is_open=is_open, reason="decided", evidence="letter 12")


def test_from_bank__agrees_with_its_own_calendar() -> None:
    found = compare.from_bank(BANK, bank_table.read(om().encode(), {}), "table.csv")
    assert (found.compared, found.differences, found.outside) == (33, (), 0)


def test_from_bank__proposes_what_makes_the_calendar_agree() -> None:
    days = [decided(date(2026, 9, 25), is_open=True), decided(date(2026, 9, 28), is_open=False)]
    theirs = business_day.calendar("BANK", days)
    table = bank_table.read(korean(theirs).encode(), KOREAN)
    found = compare.from_bank(BANK, table, "table.csv")
    assert found.differences == (
        Difference(
            Override("BANK", days[0].day, is_open=True, reason="open in table.csv", evidence="table.csv"),
            "closed: 추석 (Chuseok)",
        ),
        Difference(Override("BANK", days[1].day, is_open=False, reason="decided", evidence="table.csv"), "open"),
    )
    agreed = business_day.calendar("BANK", [each.override for each in found.differences])
    assert compare.from_bank(agreed, table, "table.csv").differences == ()


def test_from_bank__leaves_alone_what_a_person_decided() -> None:
    ours = business_day.calendar("BANK", [decided(date(2026, 9, 25), is_open=True)])
    found = compare.from_bank(ours, bank_table.read(om().encode(), {}), "table.csv")
    assert found.differences == ()
    assert [each.override.day for each in found.decided_otherwise] == [date(2026, 9, 25)]


def test_from_bank__counts_days_that_the_calendar_does_not_cover() -> None:
    table = [SourceDay(date(2028, 12, 31) + timedelta(days=n), is_open=False) for n in range(3)]
    found = compare.from_bank(BANK, table, "table.csv")
    assert (found.compared, found.outside, found.differences) == (1, 2, ())


def test_from_government__agrees_where_the_gazette_does() -> None:
    holidays = {day: name for day, name in gazette().items() if day.year == 2026}
    for name in ("BANK", "KRX", "FX"):
        assert compare.from_government(business_day.calendar(name), holidays, 2026, "특일정보").differences == ()


def test_from_government__knows_nothing_of_workers_day_before_2026() -> None:
    holidays = {day: name for day, name in gazette().items() if day.year == 2025}
    assert date(2025, 5, 1) not in holidays
    assert compare.from_government(BANK, holidays, 2025, "특일정보").differences == ()


def test_from_government__proposes_a_temporary_holiday() -> None:
    holidays = {day: name for day, name in gazette().items() if day.year == 2026} | {date(2026, 11, 27): "임시공휴일"}
    [found] = compare.from_government(BANK, holidays, 2026, "특일정보").differences
    assert found == Difference(
        Override("BANK", date(2026, 11, 27), is_open=False, reason="임시공휴일", evidence="특일정보"), "open"
    )


def test_from_government__tells_a_holiday_that_it_does_not_have() -> None:
    """As it was until 2026-04-07, when it lacked 05-01."""
    holidays = {day: name for day, name in gazette().items() if day.year == 2026 and day != date(2026, 5, 1)}
    [found] = compare.from_government(BANK, holidays, 2026, "특일정보").differences
    assert (found.override.day, found.override.is_open, found.ours) == (
        date(2026, 5, 1),
        True,
        "closed: 노동절 (Labor Day)",
    )
    assert found.override.reason == "not on the government's list of public holidays"


# What can be pasted


def test_proposal__as_a_calendar_file_does_what_it_says(tmp_path: Path) -> None:
    tricky = Override("BANK", date(2026, 11, 27), is_open=False, reason='"임시"\\\n공휴일', evidence="관보")
    (tmp_path / "own.toml").write_text(compare.as_toml(tricky), encoding="utf-8")
    [read] = business_day.read_own(str(tmp_path)).overrides
    assert read == Override("BANK", tricky.day, is_open=False, reason='"임시"\\ 공휴일', evidence="관보")


def test_table__as_a_calendar_file_is_the_same_calendar(tmp_path: Path) -> None:
    saturday = decided(date(2026, 9, 19), is_open=True)
    theirs = business_day.calendar("BANK", [saturday])
    table = bank_table.read(korean(theirs).encode(), KOREAN)
    (tmp_path / "own.toml").write_text(compare.as_calendar("OURS", BANK, table), encoding="utf-8")
    ours = business_day.calendar("OURS", own=business_day.read_own(str(tmp_path)))
    assert ours.covers == (FIRST, LAST)
    assert ours.days(FIRST, LAST) == theirs.days(FIRST, LAST)


def test_table__without_names_takes_them_from_the_calendar_as_a_file(tmp_path: Path) -> None:
    table = bank_table.read(om().encode(), {})
    (tmp_path / "own.toml").write_text(compare.as_calendar("OURS", BANK, table), encoding="utf-8")
    ours = business_day.calendar("OURS", own=business_day.read_own(str(tmp_path)))
    assert ours.closure(date(2026, 9, 25)) == Closure("OWN", "추석")
