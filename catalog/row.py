"""The words a feed's row is written in: each type says how a value looks and which column holds it.

A value travels as text from the message to COPY: a pattern checks it, the database converts it, nothing is rounded on
the way. That is exact and the cheapest way there is (a Decimal with its digits counted costs ten times a pattern).
"""

from dataclasses import dataclass, replace
from types import NoneType
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import AfterValidator, Field, Strict, StringConstraints
from typing_extensions import TypedDict


class Row(TypedDict):
    """What one row of a feed carries. Subclass it and annotate columns with the types below."""


@dataclass(frozen=True)
class Column:
    """The database's side of a type. `says`: what a value must be, in plain words; `free_text`: COPY must escape it."""

    sql: str
    says: str
    free_text: bool = False
    nullable: bool = False
    base_date: bool = False


def numeric(precision: int, scale: int) -> Any:  # noqa: ANN401 -- a type is a value here
    """Any number of numeric(precision, scale), as JSON text; one more digit is refused, never rounded."""
    return Annotated[
        str,
        StringConstraints(pattern=rf"^-?{_whole(precision - scale)}(\.[0-9]{{1,{scale}}})?$"),
        Column(f"numeric({precision},{scale})", _digits("a number", precision, scale)),
    ]


def positive(precision: int, scale: int) -> Any:  # noqa: ANN401 -- a type is a value here
    """A number above zero of numeric(precision, scale), as JSON text."""
    below_one = "|".join(rf"0{{{zeros}}}[1-9][0-9]{{0,{scale - 1 - zeros}}}" for zeros in range(scale))
    above_one = rf"[1-9][0-9]{{0,{precision - scale - 1}}}(\.[0-9]{{1,{scale}}})?"
    return Annotated[
        str,
        StringConstraints(pattern=rf"^({above_one}|0\.({below_one}))$"),
        Column(f"numeric({precision},{scale})", _digits("a number above zero", precision, scale)),
    ]


def text(length: int) -> Any:  # noqa: ANN401 -- a type is a value here
    """Free text of 1 to `length` characters. No NUL: PostgreSQL cannot store it."""
    return Annotated[
        str,
        StringConstraints(min_length=1, max_length=length),
        AfterValidator(_without_nul),  # a pattern would walk over every character: three times the price
        Column("text", f"text of 1 to {length} characters without NUL", free_text=True),
    ]


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("NUL")
    return value


def _digits(what: str, precision: int, scale: int) -> str:
    return f"{what} as JSON text, with at most {precision - scale} digits before and {scale} after the point"


def _whole(digits: int) -> str:
    return rf"(0|[1-9][0-9]{{0,{digits - 1}}})"


_MONTH_AND_DAY = "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8])"
_LEAP_YEAR = "[0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00"

# A pattern and not pydantic's date, which takes the text "0" for 1970-01-01, strict or not.
_IS_A_DATE = StringConstraints(pattern=rf"^([0-9]{{4}}-({_MONTH_AND_DAY})|({_LEAP_YEAR})-02-29)$")

BaseDate = Annotated[str, _IS_A_DATE, Column("date", "a date as YYYY-MM-DD", base_date=True)]
"""기준일자: the date a row speaks of, as `2026-11-20`. A row has one at most; sub judges it."""

Day = Annotated[str, _IS_A_DATE, Column("date", "a date as YYYY-MM-DD")]
"""Any other calendar date, as `2026-11-20`."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Column("text", "three capital letters")]
"""An ISO 4217 code."""

Code = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,64}$"), Column("text", "1 to 64 letters, digits or . _ : -")
]
"""A short identifier: an ISIN, a ticker, a series."""

Whole = Annotated[
    int, Strict(), Field(ge=-(2**63), le=2**63 - 1), Column("bigint", "a whole number of at most 64 bits")
]
"""A whole number that fits PostgreSQL's bigint."""

Number = numeric(24, 8)
Positive = positive(24, 8)


def columns(row: type[Row]) -> dict[str, Column]:
    """A row's columns in the order in which they are written. TypeError names a field without a column type."""
    found = {}
    for name, hint in get_type_hints(row, include_extras=True).items():
        nullable = NoneType in get_args(hint)
        kinds = [kind for kind in get_args(hint) if kind is not NoneType] if nullable else [hint]
        marks = [mark for kind in kinds for mark in getattr(kind, "__metadata__", ()) if isinstance(mark, Column)]
        if len(marks) != 1 or name.startswith("_"):
            raise TypeError(
                f"{row.__name__}.{name} has no column: use a type of feeds (BaseDate, Positive, text(40) …)"
            )
        found[name] = replace(marks[0], nullable=nullable)
    return found
