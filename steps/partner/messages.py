"""A request as it stands in Kafka, and an answer as it is written there. Values in, values out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID  # noqa: TC003 -- pydantic reads the annotations of RequestBody

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from catalog import BaseDate, Envelope, Kind, Unreadable
from catalog.partner import Answer, Empty, Malformed, Quota, Refused, Request, Rows
from ledger.database import has_one_header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catalog import Feed
    from ledger.database import Connection
    from steps.drain.kafka import Message

#: librdkafka's own default of message.max.bytes, less what headers and framing take.
LARGEST_VALUE = 990_000
LONGEST_REASON = 500

Record = tuple[bytes | None, bytes, list[tuple[str, bytes]]]
"""Key, value, headers."""

WriteHeaders = Callable[[Envelope], list[tuple[str, bytes]]]


def headers_for(connection: Connection, feed: Feed) -> WriteHeaders:
    """How an envelope is written: one header, or six while code that cannot read it may be at work."""
    return Envelope.headers if has_one_header(connection, feed.name) else Envelope.six_headers


class RequestBody(TypedDict):
    """Our own form of a request's value."""

    correlation_id: UUID
    base_date: BaseDate
    seq: Annotated[int, Field(ge=1, lt=2**31)]


@dataclass(frozen=True)
class AnswerRecords:
    """An answer as records. `error`: why a person must look at it, though it was answered."""

    records: Sequence[Record]
    error: str | None = None


def read_request(message: Message) -> Request:
    """A request by its headers, or by its body. Raises ValueError."""
    value = message.value()
    if value is None:
        raise Unreadable("the message has no value (null)")
    envelope = Envelope.of(message.headers())
    if envelope.correlation_id and envelope.base_date:
        return Request(envelope.correlation_id, envelope.base_date, envelope.seq or 1)
    body = TypeAdapter(RequestBody).validate_json(value)
    return Request(body["correlation_id"], date.fromisoformat(body["base_date"]), body["seq"])


def write_answer(feed: Feed, request: Request, answer: Answer, write: WriteHeaders = Envelope.headers) -> AnswerRecords:
    """An answer as records: one a row, or one that says that there is none, and why."""
    envelope = Envelope(request.correlation_id, request.base_date, request.seq)
    if isinstance(answer, Rows):
        written = _write_rows(feed, envelope, answer, write)
        if not isinstance(written, Malformed):
            return AnswerRecords(written)
        answer = written
    kind, reason = (Kind.EMPTY if isinstance(answer, Empty) else Kind.REFUSED), _printable(_reason(answer))
    fine = isinstance(answer, Empty) and answer.expected
    headers = write(replace(envelope, kind=kind, count=0, reason=reason))
    record = (str(request.base_date).encode(), b"{}", headers)
    return AnswerRecords([record], None if fine else f"{request.base_date}: {reason}")


def row_count(answer: Answer | None) -> int | None:
    """How many rows an answer has; None where there is no answer."""
    if answer is None:
        return None
    return len(answer.rows) if isinstance(answer, Rows) else 0


def _write_rows(feed: Feed, envelope: Envelope, answer: Rows, write: WriteHeaders) -> list[Record] | Malformed:
    headers = write(replace(envelope, count=len(answer.rows)))
    try:
        records = [(_key(feed, row), json.dumps(row, default=str).encode(), headers) for row in answer.rows]
    except (ValueError, TypeError, RecursionError) as error:
        return Malformed(f"a row that is no JSON: {type(error).__name__}")
    largest = max(len(value) for _, value, _ in records)
    if largest >= LARGEST_VALUE:
        return Malformed(f"a row of {largest} bytes is larger than a message may be")
    return records


def _key(feed: Feed, row: Mapping[str, Any]) -> bytes | None:
    if not feed.key:
        return None
    return "|".join(str(row.get(name)) for name in feed.key).encode(errors="backslashreplace")


def _reason(answer: Refused | Quota | Empty | Malformed | Rows) -> str:
    if isinstance(answer, Malformed):
        return f"malformed answer: {answer.reason}"
    return "no answer" if isinstance(answer, Rows) else answer.reason


def _printable(reason: str) -> str:
    """A partner's words as UTF-8 without NUL: PostgreSQL stores no other text."""
    return reason[:LONGEST_REASON].encode(errors="backslashreplace").decode().replace("\x00", "\\x00")
