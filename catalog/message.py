"""How a message is read: its envelope (headers) and its rows (value). Read by sub; the headers are written by relay.

Every header is optional. Where `schema` says that the message is ours, a header that cannot be read makes the whole
message unreadable; in anybody else's message a header of the same name is used when it fits and skipped when not.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

SCHEMA = "feedfall/1"

Headers = Sequence[tuple[str, bytes | None]]


class Kind(StrEnum):
    """What a message of ours carries: a row, or a partner's "nothing" or refusal (silence always means a fault)."""

    ROW = "row"
    EMPTY = "empty"
    REFUSED = "refused"


class Unreadable(ValueError):  # noqa: N818 -- it is a verdict about data, not an error in feedfall
    """A message that cannot be read as a whole; its text is the reason that the quarantine shows."""


class UnreadableHeaders(list[tuple[str, bytes | None]]):
    """The readable ones of a message's headers, where another has no readable name. Equal only to itself."""

    def __init__(self, readable: Iterable[tuple[str, bytes | None]], reason: str) -> None:
        super().__init__(readable)
        self.reason = reason

    def __bool__(self) -> bool:
        """True, also where no header is readable: these are not "no headers"."""
        return True

    def __eq__(self, other: object) -> bool:
        """Messages are grouped by equal headers, and these say nothing of another's."""
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = object.__hash__  # type: ignore[assignment] # a list has none


@dataclass(frozen=True)
class Envelope:
    """What a message says about itself. `count`: rows of the whole response that `correlation_id` names."""

    correlation_id: UUID | None = None
    base_date: date | None = None
    seq: int = 0
    kind: Kind = Kind.ROW
    count: int | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        for name in ("seq", "count"):
            number = getattr(self, name)
            if number is not None and number not in range(2**31):
                raise Unreadable(f"{name} is {number!r}, not a number from 0 to 2147483647")

    @classmethod
    def of(cls, headers: Headers | None) -> "Envelope":
        """Read the headers. Raises Unreadable for a message of ours whose headers are not."""
        if not headers:
            return cls()
        if isinstance(headers, UnreadableHeaders):
            raise Unreadable(headers.reason)
        named = {name: value for name, value in headers if name in READERS and value is not None}
        ours = dict(headers).get("schema") == SCHEMA.encode()
        if not ours:
            named.pop("kind", None)  # another publisher's "empty" may mean anything; its row must not vanish
        found: dict[str, Any] = {}
        for name, value in named.items():
            try:
                found[name.replace("-", "_")] = READERS[name](value.decode())
            except ValueError as error:
                if ours:
                    raise Unreadable(f"header {name} is {value!r}: {error}") from error
        return cls(**found)

    def headers(self) -> list[tuple[str, bytes]]:
        """The envelope as headers of a message of ours."""
        values = {
            "correlation-id": self.correlation_id,
            "base-date": self.base_date,
            "seq": self.seq,
            "kind": self.kind,
            "count": self.count,
            "reason": self.reason,
            "schema": SCHEMA,
        }
        return [(name, str(value).encode()) for name, value in values.items() if value is not None]


def _natural(value: str) -> int:
    number = int(value)
    if not value.isdigit() or not 0 <= number < 2**31:
        raise ValueError("not a number from 0 to 2147483647")
    return number


def _date(value: str) -> date:
    if len(value) != len("2026-11-20") or "W" in value:  # Python reads ISO's weeks too
        raise ValueError("not a date as YYYY-MM-DD")
    return date.fromisoformat(value)


READERS: Mapping[str, Callable[[str], Any]] = {
    "correlation-id": UUID,
    "base-date": _date,
    "seq": _natural,
    "kind": Kind,
    "count": _natural,
    "reason": str,
}


@dataclass(frozen=True)
class Response:
    """What a feed's own `read=` makes of an outside message: its rows, and what its body says about itself."""

    rows: Iterable[Mapping[str, Any]]
    envelope: Envelope | None = None


Read = Callable[[bytes, bytes | None, Headers], Response]
"""value, key, headers → rows. Whatever it raises is the reason for which the whole message is quarantined."""


def correlation(feed: str, base_date: date, seq: int) -> UUID:
    """A run key's correlation id: the same key gives the same id, on every machine, for ever."""
    return uuid5(NAMESPACE, f"{feed}/{base_date.isoformat()}/{seq}")


NAMESPACE = UUID("6f1d9c3e-5d0b-5a55-9d6e-feedfa110001")
