"""What a message of a feed says: its envelope and its rows, or the reason why not. Called by sub, redrive and replay.

Never joins messages into one JSON document: a crafted one would swallow its neighbours.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from catalog import Envelope, Kind, Unreadable
from ledger import rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog import Feed
    from catalog.message import Headers


class Judge:
    """What a message of this feed says: its envelope and its rows, or the reason why not."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.validate = TypeAdapter(feed.row).validator.validate_json
        self.line, self.encode = rows.line_of(feed), rows.encoder(feed)
        self.nullable = any(column.nullable for column in feed.columns.values())

    def readable(self, value: bytes | None) -> bytes:
        """What a reader may be given. Raises Unreadable."""
        if value is None:
            raise Unreadable("the message has no value (null): a response is never a deletion")
        if len(value) > self.feed.max_message:
            raise Unreadable(f"{len(value)} bytes: the feed allows {self.feed.max_message}")
        return value

    def all_rows(self, values: Sequence[bytes | None]) -> tuple[list[dict[str, Any]], bool]:
        """The rows of many messages, and whether they hold nothing to escape. Raises when one of them is bad."""
        found = list(map(self.validate, values))  # type: ignore[arg-type] # it refuses null by itself
        if max(map(len, values)) > self.feed.max_message:  # type: ignore[arg-type] # validate has refused null
            raise Unreadable("one of them is too large")
        # What COPY must escape, JSON must escape too, with a backslash.
        return found, not (self.nullable or b"\\" in b"".join(values))  # type: ignore[arg-type] # likewise

    def outside(self, value: bytes | None, key: bytes | None, headers: Headers) -> tuple[Envelope | None, list[bytes]]:
        """An outside message by the feed's own `read=`: what its body says, and its rows as JSON. Raises Unreadable."""
        assert self.feed.read  # noqa: S101 -- called only where there is one
        value = self.readable(value)
        try:
            response = self.feed.read(value, key, headers)
            _check(response.envelope)
            return response.envelope, [json.dumps(row, default=str).encode() for row in response.rows]
        except Exception as error:
            raise Unreadable(f"read= of feed {self.feed.name}: {type(error).__name__}: {error}") from error

    def reason(self, error: Exception) -> str:
        """What is wrong with a row or a message, in plain words."""
        if not isinstance(error, ValidationError):
            return str(error)
        return "; ".join(self._word(each) for each in error.errors(include_url=False, include_context=False)[:5])

    def cause(self, error: Exception) -> str:
        """The same for a log: without a value, for it may be a customer's."""
        if not isinstance(error, ValidationError):
            ours = isinstance(error, Unreadable) and error.__cause__ is None
            return str(error) if ours else str(error).partition(": ")[0]  # what follows quotes the data
        places = error.errors(include_url=False, include_context=False, include_input=False)[:5]
        return "; ".join(self._place(each) for each in places)

    def _place(self, error: Any) -> str:  # noqa: ANN401 -- pydantic's own dictionary
        column = self.feed.columns.get(str(error["loc"][0])) if error["loc"] else None
        if column is None:
            return str(error["msg"])
        return f"{error['loc'][0]}: {'missing' if error['type'] == 'missing' else f'not {column.says}'}"

    def _word(self, error: Any) -> str:  # noqa: ANN401 -- pydantic's own dictionary
        column = self.feed.columns.get(str(error["loc"][0])) if error["loc"] else None
        if column is None:
            return str(error["msg"])
        if error["type"] == "missing":
            return f"{error['loc'][0]}: missing"
        return f"{error['loc'][0]}: {str(error['input'])[:80]!r} is not {column.says}"


def _check(envelope: object) -> None:
    """A feed's own `read=` is Python without a checker. Raises TypeError for what the ledger could not store."""
    if envelope is None:
        return
    if not isinstance(envelope, Envelope):
        raise TypeError(f"{envelope!r} is not an Envelope")
    for name, kind, says in ENVELOPE:
        value = getattr(envelope, name)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool | datetime)):
            raise TypeError(f"{name} is {value!r}, not {says}")
    if envelope.kind not in list(Kind):
        raise TypeError(f"kind is {envelope.kind!r}, none of {', '.join(Kind)}")


#: A field of an envelope → the type that the ledger stores. A datetime is a date to Python, and True a number.
ENVELOPE = (
    ("correlation_id", UUID, "a UUID"),
    ("base_date", date, "a date"),
    ("seq", int, "a number"),
    ("count", int, "a number"),
    ("reason", str, "a text"),
)
