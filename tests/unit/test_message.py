"""A message's envelope: headers there and back, ours and other people's."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank import ROOT
from catalog import Envelope, Kind, Unreadable, message
from catalog.message import READERS, REMEMBERED, UnreadableHeaders, correlation

KNOWN = UUID("11111111-2222-3333-4444-555555555555")
OURS = ("schema", b"feedfall/1")
NATURAL = st.integers(0, 2**31 - 1)
ENVELOPES = st.builds(
    Envelope,
    correlation_id=st.none() | st.uuids(),
    base_date=st.none() | st.dates(),
    seq=NATURAL,
    kind=st.sampled_from(Kind),
    count=st.none() | NATURAL,
    # Without NUL, which PostgreSQL does not store; relay writes it as text.
    reason=st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1),
)


@given(ENVELOPES)
def test_envelope__comes_back_as_it_was_written(envelope: Envelope) -> None:
    assert Envelope.of(envelope.headers()) == envelope
    assert Envelope.of(envelope.six_headers()) == envelope
    assert Envelope.of([*envelope.six_headers(), *envelope.headers()]) == envelope


def test_envelope__is_written_as_one_header_that_another_team_can_write_too() -> None:
    """Written down in docs/reference.md: what one version wrote, every later one reads."""
    example = Envelope(correlation("fx", date(2026, 11, 20), 1), date(2026, 11, 20), 1, count=31)
    [(name, value)] = example.headers()
    assert f"    {name}: {value.decode()}\n" in (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    day = date(2026, 10, 30)
    whole = Envelope(KNOWN, day, 1, Kind.REFUSED, 0, "no; try later")
    assert whole.headers() == [("feedfall", f"1;{KNOWN};2026-10-30;1;refused;0;no; try later".encode())]
    assert Envelope(KNOWN, day, 1, count=31).headers() == [("feedfall", f"1;{KNOWN};2026-10-30;1;row;31;".encode())]
    assert Envelope.of([("feedfall", b"1;;;;;;")]) == Envelope()


ONE = f"1;{KNOWN};2026-10-30;1;row;31;".encode()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "header feedfall has no value"),
        (b"", "version '', and this image reads 1"),
        (b"2;" + ONE[2:], "version '2', and this image reads 1: redrive it with a newer one"),
        (b"01;;;;;;", "version '01'"),
        (b"2;\x00", "has a NUL"),
        (ONE + b"a\x00b", "has a NUL"),
        (ONE + b"\xff", "is not UTF-8"),
        (b"\xff" * 4096, "is not UTF-8"),
        (b"1", "ends after 0 of 6 fields"),
        (ONE[:-1], "ends after 5 of 6 fields"),
        (ONE + b"x" * 2**20, "has 1,048,635 bytes, and 4,096 are allowed"),
        (b"1;abc;;;;;", "feedfall, correlation-id is 'abc'"),
        (b"1;;2026-02-31;;;;", "feedfall, base-date is '2026-02-31'"),
        (b"1;;20261120;;;;", "feedfall, base-date is '20261120'"),
        (b"1;;;-1;;;", "feedfall, seq is '-1'"),
        (b"1;;;1.0;;;", "feedfall, seq is '1.0'"),
        (b"1;;;" + b"1" * 4000 + b";;;", "feedfall, seq is '1111"),
        (b"1;;;;rows;;", "feedfall, kind is 'rows'"),
        (b"1;;;;ROW;;", "feedfall, kind is 'ROW'"),
        (b"1;;;;;-1;", "feedfall, count is '-1'"),
        (b"1;;;;;2147483648;", "feedfall, count is '2147483648'"),
    ],
)
def test_envelope__of_one_header_that_cannot_be_read(value: bytes | None, says: str) -> None:
    for _ in range(2):  # what cannot be read is not remembered as read
        with pytest.raises(Unreadable, match=re.escape(says)) as raised:
            Envelope.of([("feedfall", value)])
        assert len(str(raised.value)) < 500


@given(st.binary() | st.builds(lambda rest: b"1;" + rest, st.binary()))
def test_envelope__of_any_bytes_is_read_or_unreadable_and_nothing_else(value: bytes) -> None:
    with suppress(Unreadable):
        Envelope.of([("feedfall", value)])


@pytest.mark.parametrize("second", [ONE, b"1;;;;;;", None])
def test_envelope__of_two_headers_feedfall_is_unreadable(second: bytes | None) -> None:
    with pytest.raises(Unreadable, match="header feedfall has 2 values: a message has one"):
        Envelope.of([("feedfall", ONE), ("x", b""), ("feedfall", second)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("correlation-id", b"11111111-2222-3333-4444-555555555556"),
        ("base-date", b"2026-10-31"),
        ("seq", b"2"),
        ("kind", b"empty"),
        ("count", b"30"),
        ("reason", b"why"),
        ("count", b"many"),
    ],
)
def test_envelope__of_both_forms_must_agree_where_both_are_ours(name: str, value: bytes) -> None:
    with pytest.raises(Unreadable, match=f"says {name.replace('-', '_')}|header {name} is"):
        Envelope.of([("feedfall", ONE), (name, value), OURS])
    # Without `schema` they are another program's: "correlation-id" is a common name.
    assert Envelope.of([("feedfall", ONE), (name, value)]) == Envelope.of([("feedfall", ONE)])


def test_envelope__of_no_count_is_another_one_than_zero() -> None:
    with pytest.raises(Unreadable, match="says count None, another header says 0"):
        Envelope.of([("feedfall", b"1;;;;;;"), ("count", b"0"), OURS])


def test_envelope__of_the_same_bytes_is_parsed_once_and_few_are_remembered() -> None:
    assert Envelope.of([("feedfall", ONE)]) is Envelope.of([("feedfall", bytes(bytearray(ONE)))])
    for number in range(3 * REMEMBERED):
        assert Envelope.of([("feedfall", b"1;;;%d;;;" % number)]).seq == number
    assert len(message._REMEMBERED) <= REMEMBERED  # noqa: SLF001 -- a promise about memory


@given(st.lists(st.tuples(st.sampled_from([*READERS, "schema", "other"]), st.none() | st.binary())))
def test_envelope__of_a_stranger_never_fails(headers: list[tuple[str, bytes | None]]) -> None:
    Envelope.of([*headers, ("schema", b"theirs/1")])


@given(st.lists(st.tuples(st.sampled_from([*READERS, "other"]), st.none() | st.binary())))
def test_envelope__of_ours_is_read_or_unreadable_and_nothing_else(headers: list[tuple[str, bytes | None]]) -> None:
    with suppress(Unreadable):
        Envelope.of([*headers, OURS])


@pytest.mark.parametrize("headers", [None, [], [("other", b"1")], [("seq", None)], [OURS], [("kind", b"empty")]])
def test_envelope__without_headers_of_ours_is_empty(headers: list[tuple[str, bytes | None]] | None) -> None:
    assert Envelope.of(headers) == Envelope()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("correlation-id", b"abc"),
        ("correlation-id", b""),
        ("base-date", b"2026-02-31"),
        ("base-date", b"20261120"),  # ours is always written with dashes
        ("base-date", b"2026-W47-5"),
        ("seq", b"-1"),
        ("seq", b"1.0"),
        ("seq", b" 1"),
        ("seq", b"1_0"),
        ("seq", b"2147483648"),
        ("count", b"many"),
        ("kind", b"rows"),
        ("reason", b"\xff"),
    ],
)
def test_envelope__a_wrong_header_counts_in_ours_alone(name: str, value: bytes) -> None:
    with pytest.raises(Unreadable, match=f"header {name} is "):
        Envelope.of([(name, value), OURS])
    assert Envelope.of([(name, value)]) == Envelope()


def test_envelope__of_two_headers_of_a_name_the_last_counts() -> None:
    assert Envelope.of([("seq", b"1"), ("seq", b"2")]).seq == 2


def test_correlation__is_the_same_for_ever() -> None:
    """Written down: a request sent before an upgrade is answered after it."""
    assert correlation("fx", date(2026, 11, 20), 1) == UUID("415b8a9b-0435-51d4-a2ac-c5a3734cc4b7")


def test_correlation__differs_by_every_part_of_the_run_key() -> None:
    day = date(2026, 11, 20)
    keys = [("fx", day, 1), ("fx", day, 2), ("fx", date(2026, 11, 21), 1), ("gold", day, 1)]
    assert len({correlation(*key) for key in keys}) == 4


def test_unreadable_headers__are_never_taken_for_none_or_for_anothers() -> None:
    left = UnreadableHeaders([("seq", b"3")], "header 2 has a name that is not UTF-8")
    assert bool(UnreadableHeaders([], "header 1 has a name that is not UTF-8"))
    assert left != [("seq", b"3")]
    assert [("seq", b"3")] != left  # noqa: SIM300 -- the other way round, as groupby may ask
    with pytest.raises(Unreadable, match="header 2 has a name that is not UTF-8"):
        Envelope.of(left)
