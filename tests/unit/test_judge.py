"""What a feed's own read= makes of a message, and the words for what is bad."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from catalog import Envelope, Response, Unreadable, find
from sample_feeds.tick import TICK
from steps.load.judge import Judge

BRIEF = find.load("brief", ("sample_feeds",))


@pytest.mark.parametrize(
    ("envelope", "says"),
    [
        ({"correlation_id": "abc"}, "correlation_id is 'abc', not a UUID"),
        ({"correlation_id": "6f1d9c3e-5d0b-5a55-9d6e-feedfa110001"}, "not a UUID"),  # its text is none either
        ({"base_date": "2026-10-30"}, "base_date is '2026-10-30', not a date"),
        ({"base_date": datetime(2026, 10, 30, tzinfo=UTC)}, "not a date"),
        ({"kind": "rows"}, "kind is 'rows', none of row, empty, refused"),
        ({"reason": 7}, "reason is 7, not a text"),
        ({"seq": True}, "seq is True, not a number"),
        ({"count": 2**40}, "count is 1099511627776, not a number from 0"),
    ],
)
def test_read__an_envelope_of_a_wrong_type_quarantines_its_message(envelope: dict[str, Any], says: str) -> None:
    def read(value: bytes, key: bytes | None, headers: object) -> Response:
        return Response([], Envelope(**envelope))

    judge = Judge(replace(BRIEF, read=read))
    with pytest.raises(Unreadable, match=re.escape(says)):
        judge.outside(b"[]", None, [])


@pytest.mark.parametrize("envelope", ["no envelope", 7, {"seq": 1}])
def test_read__what_is_no_envelope_quarantines_its_message(envelope: Any) -> None:  # noqa: ANN401 -- anything
    judge = Judge(replace(BRIEF, read=lambda *_: Response([], envelope)))
    with pytest.raises(Unreadable, match="is not an Envelope"):
        judge.outside(b"[]", None, [])


def raises(value: object) -> Any:  # noqa: ANN401 -- a read= that fails
    raise ValueError(value)


@pytest.mark.parametrize(
    ("value", "reason", "cause"),
    [
        (
            b'{"symbol": "A", "price": "Kim", "volume": 1, "note": null}',
            "price: 'Kim' is not a number",
            "price: not a number",
        ),
        (b'{"symbol": "A", "price": "1", "volume": 1}', "note: missing", "note: missing"),
        (b"Kim", "Invalid JSON", "Invalid JSON"),
    ],
)
def test_cause__is_the_reason_without_a_value(value: bytes, reason: str, cause: str) -> None:
    judge = Judge(TICK)
    with pytest.raises(ValidationError) as raised:
        judge.validate(value)
    assert judge.reason(raised.value).startswith(reason)
    assert judge.cause(raised.value).startswith(cause)
    assert "Kim" not in judge.cause(raised.value)


def test_cause__of_a_message_is_ours_alone() -> None:
    judge = Judge(replace(BRIEF, read=lambda value, *_: raises(value)))
    with pytest.raises(Unreadable) as raised:
        judge.outside(b"Kim", None, [])
    assert ("Kim" in judge.reason(raised.value), judge.cause(raised.value)) == (True, "read= of feed brief")
    with pytest.raises(Unreadable) as raised:
        judge.readable(b"?" * 201)
    assert judge.cause(raised.value) == "201 bytes: the feed allows 200"
