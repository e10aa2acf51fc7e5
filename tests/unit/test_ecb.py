"""The ECB's adapter against documents made here: which it asks, how it reads them, and what it makes of a silence."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from zipfile import ZIP_BZIP2

import pytest
from hypothesis import given
from hypothesis import strategies as st

import business_day
from catalog.partner import Empty, Malformed, Refused
from ecb_partner import (
    FRIDAY,
    MONDAY,
    MONDAY_EVENING,
    MONDAY_NOON,
    SATURDAY,
    Partner,
    history,
    monday,
    packed,
    rows,
    xml,
)
from feeds.partners import ecb
from feeds.partners.ecb_documents import DAILY, HISTORY, LAST_90_DAYS, MAX_BYTES, read

# Which document


def test_today__is_asked_of_the_daily_document() -> None:
    partner = monday(xml(MONDAY))
    assert partner.ask(MONDAY) == rows(MONDAY)
    assert partner.fetched == [DAILY]


def test_newest_fixing__is_asked_of_the_daily_document_on_a_weekend() -> None:
    partner = Partner(datetime(2026, 11, 22, 9, 0, tzinfo=UTC), {DAILY: xml(FRIDAY)})
    assert partner.ask(FRIDAY) == rows(FRIDAY)


def test_last_weeks__are_asked_of_the_90_days() -> None:
    partner = Partner(MONDAY_EVENING, {LAST_90_DAYS: xml(MONDAY, FRIDAY, date(2026, 9, 1))})
    assert partner.ask(date(2026, 9, 1)) == rows(date(2026, 9, 1))
    assert partner.fetched == [LAST_90_DAYS]


def test_years_ago__is_asked_of_the_history() -> None:
    partner = Partner(MONDAY_EVENING, {HISTORY: history(date(1999, 1, 4))})
    assert partner.ask(date(1999, 1, 4)) == rows(date(1999, 1, 4))
    assert partner.fetched == [HISTORY]


def test_friday__is_found_in_the_90_days_once_monday_is_out() -> None:
    partner = Partner(MONDAY_EVENING, {DAILY: xml(MONDAY), LAST_90_DAYS: xml(MONDAY, FRIDAY)})
    assert partner.ask(FRIDAY) == rows(FRIDAY)
    assert partner.fetched == [DAILY, LAST_90_DAYS]


def test_gap_in_the_90_days__is_filled_from_the_history() -> None:
    day = date(2026, 11, 12)
    partner = Partner(MONDAY_EVENING, {LAST_90_DAYS: xml(MONDAY, FRIDAY), HISTORY: history(day)})
    assert partner.ask(day) == rows(day)


def test_backfill__fetches_each_document_once_from_many_threads() -> None:
    days = [date(2020, 1, 1) + timedelta(days=n) for n in range(400)]
    partner = Partner(MONDAY_EVENING, {HISTORY: history(*days)})
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(partner.ask, days)) == [rows(day) for day in days]
    assert partner.fetched == [HISTORY]


# Silences, judged


def test_before_publication__is_expected() -> None:
    answer = Partner(MONDAY_NOON, {DAILY: xml(FRIDAY)}).ask(MONDAY)
    assert answer == Empty("it is 12:00 in Europe/Brussels: 2026-11-23 comes at about 16:00", expected=True)


def test_after_publication__yesterdays_document_is_unexpected() -> None:
    partner = monday(xml(FRIDAY))
    reason = "TARGET is open on 2026-11-23, but the newest fixing served is of 2026-11-20"
    assert partner.ask(MONDAY) == Empty(reason, expected=False)
    assert partner.fetched == [DAILY]  # what is not out yet is in no larger document


@pytest.mark.parametrize(("hour", "expected"), [(14, True), (15, False)])
def test_publication__is_at_16_in_brussels_not_in_utc(hour: int, *, expected: bool) -> None:
    just_before_or_after = datetime(2026, 11, 23, hour, 59, 59, tzinfo=UTC)
    answer = Partner(just_before_or_after, {DAILY: xml(FRIDAY)}).ask(MONDAY)
    assert isinstance(answer, Empty)
    assert answer.expected is expected


def test_early_publication__wins_over_the_clock() -> None:
    assert Partner(MONDAY_NOON, {DAILY: xml(MONDAY)}).ask(MONDAY) == rows(MONDAY)


def test_weekend__is_expected() -> None:
    partner = Partner(MONDAY_EVENING, {DAILY: xml(MONDAY), LAST_90_DAYS: xml(MONDAY, FRIDAY)})
    assert partner.ask(SATURDAY) == Empty("TARGET is closed on 2026-11-21: 토요일 (Saturday)", expected=True)


def test_holiday__is_expected_while_the_day_before_is_still_served() -> None:
    christmas = date(2026, 12, 25)
    partner = Partner(datetime(2026, 12, 25, 17, 0, tzinfo=UTC), {DAILY: xml(date(2026, 12, 24))})
    assert partner.ask(christmas) == Empty("TARGET is closed on 2026-12-25: Christmas Day", expected=True)


def test_rows__win_over_the_calendar() -> None:
    partner = Partner(MONDAY_EVENING, {HISTORY: history(date(2020, 12, 25))})
    assert partner.ask(date(2020, 12, 25)) == rows(date(2020, 12, 25))


def test_open_day_without_a_fixing_anywhere__is_unexpected() -> None:
    partner = Partner(MONDAY_EVENING, {LAST_90_DAYS: xml(MONDAY, FRIDAY), HISTORY: history(MONDAY, FRIDAY)})
    answer = partner.ask(date(2026, 11, 12))
    assert isinstance(answer, Empty)
    assert not answer.expected
    assert partner.fetched == [LAST_90_DAYS, HISTORY]


def test_silence_beyond_the_calendar__is_unexpected_and_says_so() -> None:
    day = date(2029, 1, 2)
    answer = ecb.why_empty(
        day, datetime(2029, 1, 3, 12, 0, tzinfo=UTC), business_day.calendar("TARGET"), newest=date(2028, 12, 29)
    )
    assert not answer.expected
    assert "TARGET covers 1999-01-01 to 2028-12-31" in answer.reason


def test_rows_beyond_the_calendar__need_no_calendar() -> None:
    day = date(2029, 1, 2)
    assert Partner(datetime(2029, 1, 2, 17, 0, tzinfo=UTC), {DAILY: xml(day)}).ask(day) == rows(day)


def test_before_the_euro__is_refused_unasked() -> None:
    partner = Partner(MONDAY_EVENING, {})
    assert isinstance(partner.ask(date(1999, 1, 1)), Refused)
    assert partner.fetched == []


def test_tomorrow__is_expected_to_be_empty_unasked() -> None:
    partner = Partner(MONDAY_EVENING, {})
    reason = "2026-11-24 is still to come: it is 2026-11-23 in Europe/Brussels"
    assert partner.ask(date(2026, 11, 24)) == Empty(reason, expected=True)
    assert partner.fetched == []


def test_today__is_brussels_today() -> None:
    seoul_is_ahead = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # 00:30 on Monday in Brussels
    answer = Partner(seoul_is_ahead, {DAILY: xml(FRIDAY)}).ask(MONDAY)
    assert answer == Empty("it is 00:30 in Europe/Brussels: 2026-11-23 comes at about 16:00", expected=True)


# What the ECB writes


def test_garbage_rate__is_passed_on_as_it_was_written() -> None:
    assert monday(xml(MONDAY, jpy="N.A.")).ask(MONDAY) == rows(MONDAY, jpy="N.A.")


def test_rate__keeps_its_zeros() -> None:
    assert monday(xml(MONDAY, jpy="175.6800")).ask(MONDAY) == rows(MONDAY, jpy="175.6800")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no element found"),
        (b"rates are out", "syntax error"),
        (b"<!DOCTYPE html><html><body>Down for maintenance</body></html>", r"a DOCTYPE \(html\)"),
        (b"<html><body>Down for maintenance</body></html>", "html where gesmes:Envelope should be"),
        (xml(MONDAY)[:-40], "ParseError"),  # cut off
        (xml(), "no rates in it"),
        (xml(MONDAY).replace(b"eurofxref", b"eurofx"), "no rates in it"),  # another namespace is another format
        (xml(MONDAY).replace(b"rate=", b"value="), "KeyError: 'rate'"),
        (xml(MONDAY).replace(b"2026-11-23", b"23 November 2026"), "Invalid isoformat"),
        (xml(MONDAY).replace(b"UTF-8", b"UTF-9"), "unknown encoding"),
        (xml(MONDAY) + b" " * MAX_BYTES, "more than 8,388,608 bytes"),
    ],
)
def test_daily_document_that_is_none__is_malformed(body: bytes, reason: str) -> None:
    answer = monday(body).ask(MONDAY)
    assert isinstance(answer, Malformed)
    assert re.match(f"{DAILY}: .*{reason}", answer.reason)


def test_entities__are_refused_before_they_count() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    answer = monday(xml(MONDAY, jpy="&b;").replace(b"<gesmes:Envelope", bomb + b"<gesmes:Envelope", 1)).ask(MONDAY)
    assert answer == Malformed(f"{DAILY}: ValueError: a DOCTYPE (x), which the ECB's documents do not have")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Down for maintenance</html>",
        history(FRIDAY)[:-30],  # cut off
        history(FRIDAY).replace(b"eurofxref-hist.csv", b"eurofxref-hist.xls", 1),  # two names for one file
        history(),  # a header alone
        packed(""),
        packed("<html>"),
        packed("Date,USD,\n2026-11-20,1.1225\n"),  # a line with a column less
        packed("Date,USD,\n20 November 2026,1.1225,\n"),
        packed("Date,USD,\n2026-11-20,1.1225,\n", ZIP_BZIP2),
        packed("Date,USD,\n" + "0" * MAX_BYTES),  # 8 KB that unpack to 8 MiB
    ],
)
def test_history_that_is_none__is_malformed(body: bytes) -> None:
    answer = Partner(MONDAY_EVENING, {HISTORY: body}).ask(date(2020, 1, 2))
    assert isinstance(answer, Malformed)
    assert len(answer.reason) <= 300


@given(st.binary(max_size=8), st.integers(0, 400), st.sampled_from([DAILY, HISTORY]))
def test_damaged_document__never_raises(damage: bytes, at: int, name: str) -> None:
    document = history(FRIDAY) if name == HISTORY else xml(FRIDAY)
    assert isinstance(read(name, document[:at] + damage + document[at + len(damage) :]), dict | Malformed)
