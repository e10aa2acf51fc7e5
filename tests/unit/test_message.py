"""A message's envelope: headers there and back, ours and other people's."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import Envelope, Kind, Unreadable
from catalog.message import READERS, UnreadableHeaders, correlation

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
    reason=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
)


@given(ENVELOPES)
def test_envelope__comes_back_as_it_was_written(envelope: Envelope) -> None:
    assert Envelope.of(envelope.headers()) == envelope


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
