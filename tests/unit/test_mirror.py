"""MirrorMaker's records, byte for byte as Kafka's schemas write them, and what a pair of offsets proves."""

from __future__ import annotations

import struct

import pytest

from operate.mirror import Note, Pairs, read_record


def text(word: str) -> bytes:
    return struct.pack(">h", len(word.encode())) + word.encode()


def pairs(*syncs: tuple[int, int], checkpoints: list[tuple[int, int]] | None = None) -> Pairs:
    found = Pairs(checkpoints=checkpoints or [])
    for pair in syncs:
        found.add(Note("t", 0, pair, is_sync=True))
    return found


def test_record__an_offset_sync() -> None:
    key = b"\x00\x0bfx.response\x00\x00\x00\x03"
    value = b"\x00\x00\x00\x00\x00\x00\x04\x00" + b"\x00\x00\x00\x00\x00\x00\x02\x01"
    assert read_record(key, value) == Note("fx.response", 3, (1024, 513), is_sync=True)


def test_record__a_checkpoint() -> None:
    key = text("bank.fx.sub") + text("old.fx.response") + struct.pack(">i", 1)
    value = struct.pack(">hqq", 0, 77, 12) + text("metadata in 한국어")
    assert read_record(key, value) == Note("old.fx.response", 1, (77, 12), is_sync=False)


def test_record__a_deleted_one_is_nothing() -> None:
    assert read_record(text("t") + bytes(4), None) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"", bytes(16)),
        (text("t"), bytes(16)),  # no partition
        (text("t") + bytes(5), bytes(16)),  # a byte too many
        (b"\x00\x01\xff" + bytes(4), bytes(16)),  # no UTF-8
        (text("t") + bytes(4), b"{}"),
        (text("g") + text("t") + bytes(4), struct.pack(">hqq", 1, 1, 1) + text("")),  # a version that nobody knows
    ],
)
def test_record__what_is_none_is_refused(key: bytes, value: bytes) -> None:
    with pytest.raises((ValueError, struct.error)):
        read_record(key, value)


@pytest.mark.parametrize(
    ("syncs", "left"),
    [
        ([(0, 0), (5, 3), (9, 7)], [(0, 0), (5, 3), (9, 7)]),
        ([(0, 0), (9, 9), (5, 12)], [(5, 12)]),  # MirrorMaker began again and sent some records twice
        ([(0, 0), (9, 9), (12, 2)], [(12, 2)]),  # the copy was made anew
        ([(9, 9), (9, 12)], [(9, 12)]),  # one record sent twice
    ],
)
def test_pairs__syncs_that_do_not_ascend_void_those_before(
    syncs: list[tuple[int, int]], left: list[tuple[int, int]]
) -> None:
    assert pairs(*syncs).syncs == left


@pytest.mark.parametrize(
    ("offset", "exact"),
    [
        (4, 14),  # a sync's own record
        (5, 15),  # the one behind it
        (6, None),  # between two: how many records were left out or sent twice is not known
        (8, 20),
        (9, 21),
        (20, None),
        (3, None),
    ],
)
def test_pairs__an_offset_between_two_syncs_is_not_computed(offset: int, exact: int | None) -> None:
    assert pairs((4, 14), (8, 20)).exact(offset) == exact


def test_pairs__which_record_can_be_the_copy_of_which() -> None:
    known = pairs((4, 14), (8, 20), checkpoints=[(10, 22)])
    assert [there for there in range(12, 24) if known.fits(4, there)] == [14]
    assert [there for there in range(12, 24) if known.fits(5, there)] == [15, 16, 17, 18, 19]
    assert [there for there in range(12, 24) if known.fits(11, there)] == [22, 23]


def test_pairs__where_the_comparison_begins() -> None:
    known = pairs((4, 14), (8, 20), checkpoints=[(10, 22), (30, 40)])
    assert [known.start(offset) for offset in (-1, 3, 4, 7, 8, 12)] == [0, 0, 14, 14, 20, 22]
