"""A row's types: what each takes and refuses, and which column holds it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from catalog import (
    BaseDate,
    Code,
    Column,
    Currency,
    Day,
    Number,
    Positive,
    Row,
    Whole,
    columns,
    numeric,
    positive,
    text,
)


def taken(kind: Any, json: str | bytes) -> bool:  # noqa: ANN401 -- a type
    try:
        TypeAdapter(kind).validate_json(json)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            BaseDate,
            ["2026-11-20", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31", "2026-01-31", "2026-04-30"],
            [
                "2026-02-29",
                "1900-02-29",
                "2026-04-31",
                "2026-13-01",
                "2026-00-10",
                "2026-01-00",
                "2026-1-1",
                "20261120",
            ],
        ),
        (Currency, ["USD", "XXX"], ["usd", "US", "USDX", "ÜSD", "USD ", " USD", ""]),
        (Code, ["A", "KR7005930003", "a.b_c:d-e", "9" * 64], ["", "9" * 65, "a b", "a/b", "é", "a\n", "\\N", "a\tb"]),
        (numeric(5, 2), ["0", "-0", "999", "999.99", "-0.01", "1.5"], ["1000", "0.001", "+1", "01", ".5", "5.", "1e2"]),
        (numeric(5, 2), [], ["", " 1", "1 ", "1\n", "--1", "1,5", "NaN", "Infinity", "0x1", "\uff11", "1_0", "1.-5"]),
        (
            positive(5, 2),
            ["0.01", "999.99", "1", "0.1", "0.10", "10"],
            ["0", "0.0", "0.00", "-1", "00.1", "0.001", "1000"],
        ),
        (text(3), ["a", "abc", "한국어", "\U0001f600" * 3, " ", "\t\n"], ["", "abcd", "a\u0000b"]),
    ],
)
def test_type__as_text(kind: Any, good: list[str], bad: list[str]) -> None:  # noqa: ANN401 -- a type
    adapter = TypeAdapter(str)
    assert [value for value in good if not taken(kind, adapter.dump_json(value))] == []
    assert [value for value in bad if taken(kind, adapter.dump_json(value))] == []


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        # Only a number is a number, and only text is text: nothing is converted on the way.
        (Whole, ["0", "-1", str(2**63 - 1), str(-(2**63))], [str(2**63), "1.0", "1e3", '"1"', "true", "null", "NaN"]),
        (
            BaseDate,
            [],
            ["20261120", "0", "null", '"0"', '"1789948800"', '"-86400"', '"2026-11-20T00:00:00"', '"2026-W47-5"'],
        ),
        (Number, ['"1.5"'], ["1.5", "1", "1e400", "true", "null", '["1"]', "{}"]),
        (Positive, ['"1.5"'], ["1.5", "1"]),
        (Currency, [], ["840", "null"]),
        (text(3), [], ["1", "null", rb'"\ud800"', b'"\xff"']),
    ],
)
def test_type__as_json(kind: Any, good: list[str | bytes], bad: list[str | bytes]) -> None:  # noqa: ANN401 -- a type
    assert [value for value in good if not taken(kind, value)] == []
    assert [value for value in bad if taken(kind, value)] == []


@given(st.dates())
def test_base_date__every_day_that_there_is(day: Any) -> None:  # noqa: ANN401 -- a date
    assert taken(BaseDate, f'"{day.isoformat()}"')


@given(st.integers(0, 9999), st.integers(0, 99), st.integers(0, 99))
def test_base_date__and_no_other(year: int, month: int, day: int) -> None:
    """A year 0 alone is left to the database, which refuses it."""
    from datetime import date  # noqa: PLC0415 -- of this test alone

    try:
        there = bool(date(max(year, 4), month, day))  # the year 4 is a leap year, as a year 0 would be
    except ValueError:
        there = False
    assert taken(BaseDate, f'"{year:04}-{month:02}-{day:02}"') is there


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**16) + 1, max_value=10**16 - 1))
def test_number__every_value_of_its_column(value: Any) -> None:  # noqa: ANN401 -- a Decimal
    written = f"{value:f}"
    assert taken(Number, f'"{written}"')
    assert taken(Positive, f'"{written}"') is (value > 0)


def test_columns__are_in_the_order_in_which_they_are_written() -> None:
    class Wide(Row):
        day: Day
        price: Number
        note: text(9) | None  # type: ignore[valid-type]

    assert columns(Wide) == {
        "day": Column("date", "a date as YYYY-MM-DD"),
        "price": Column("numeric(24,8)", "a number as JSON text, with at most 16 digits before and 8 after the point"),
        "note": Column("text", "text of 1 to 9 characters without NUL", free_text=True, nullable=True),
    }


def test_columns__of_a_row_that_extends_another_come_after_its() -> None:
    class Short(Row):
        code: Code

    class Long(Short):
        volume: Whole

    assert list(columns(Long)) == ["code", "volume"]


@pytest.mark.parametrize("hint", [str, int, "float", str | None, list[str], Any])
def test_columns__a_field_without_a_column_is_named(hint: Any) -> None:  # noqa: ANN401 -- a type
    wrong = type(Row)("Wrong", (Row,), {"__annotations__": {"price": hint}, "__module__": __name__})
    with pytest.raises(
        TypeError, match=re.escape("Wrong.price has no column: use a type of feeds (BaseDate, Positive")
    ):
        columns(wrong)


def test_columns__the_ledgers_own_names_are_taken() -> None:
    wrong = type(Row)("Wrong", (Row,), {"__annotations__": {"_seq": Whole}, "__module__": __name__})
    with pytest.raises(TypeError, match=r"Wrong\._seq has no column"):
        columns(wrong)
