"""A row as a line of COPY text. That PostgreSQL reads it back as it was: tests/contract/test_ledger.py."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from catalog import find
from ledger.rows import encoder, line_of
from sample_feeds.tick import TICK


def encode(row: dict[str, object]) -> str:
    """The values of a line, as `line_of` writes them after where the row came from."""
    return (line_of(TICK) % (1, 2, 3, "lineage", *encoder(TICK)(row))).split("\t", 4)[4]


ROW: dict[str, object] = {"symbol": "A", "price": "1.5", "volume": 7, "note": "n"}


@pytest.mark.parametrize(
    ("note", "written"),
    [
        (None, r"\N"),
        (r"\N", r"\\N"),  # the text, not a null
        (r"\.", r"\\."),  # no end of data
        ("a\tb", r"a\tb"),
        ("a\nb\r\n", r"a\nb\r\n"),
        ("100 %(note)s %s %", "100 %(note)s %s %"),  # no format either
        ("끝\x85\u2028", "끝\x85\u2028"),
    ],
)
def test_encode__free_text(note: str | None, written: str) -> None:
    assert encode({**ROW, "note": note}) == f"A\t1.5\t7\t{written}\n"


@given(st.none() | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_encode__is_one_line_of_as_many_fields_and_reads_back(note: str | None) -> None:
    line = encode({**ROW, "note": note}).encode()
    assert line.splitlines(keepends=True) == [line]
    *_, written = line.removesuffix(b"\n").split(b"\t")
    assert len(line.split(b"\t")) == 4
    assert unescaped(written.decode()) == note


def unescaped(field: str) -> str | None:
    """As PostgreSQL's manual says of COPY's text format."""
    if field == r"\N":
        return None
    return re.sub(r"\\(.)", lambda found: {"t": "\t", "n": "\n", "r": "\r"}.get(found[1], found[1]), field)


def test_encode__columns_are_in_the_rows_order() -> None:
    fx = find.load("fx")
    shuffled = b'{"rate": "1.5", "x": 1, "currency": "USD", "base_date": "2026-10-30"}'
    checked = TypeAdapter(fx.row).validator.validate_json(shuffled)
    assert tuple(checked.values()) == encoder(fx)(checked) == ("2026-10-30", "USD", "1.5")
