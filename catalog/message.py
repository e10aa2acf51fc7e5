"""How a message is read: its envelope (headers) and its rows (value). Read by sub; the headers are written by relay.

one      feedfall = version;correlation id;base date;seq;kind;count;reason       a field may be empty, `reason` hold ";"
six      correlation-id, base-date, seq, kind, count, reason, and `schema`       older messages, and other publishers

With the header `feedfall`, or with `schema` that says so, the message is ours: what cannot be read there makes the
whole message unreadable, and so do two forms that contradict each other. In anybody else's message a header with the
name of one of the six is used when it fits and skipped when not.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

HEADER, VERSION, SEPARATOR = "feedfall", "1", ";"
SCHEMA = "feedfall/1"
#: Bytes of the header's value; a reason of relay's has 500 characters at most.
LONGEST = 4096
#: Different values whose envelopes are remembered: each row of a response carries the same bytes.
REMEMBERED = 1024
#: Characters of a wrong value that a reason shows.
SHOWN = 80

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
        one = [value for name, value in headers if name == HEADER]
        if not one:
            return cls(**_read_six(headers))
        envelope = _of_one(one)
        if len(headers) > 1:
            _check_agreement(envelope, headers)
        return envelope

    def headers(self) -> list[tuple[str, bytes]]:
        """The envelope as the one header of a message of ours."""
        fields = (self.correlation_id, self.base_date, self.seq, self.kind, self.count, self.reason)
        text = SEPARATOR.join([VERSION, *("" if field is None else str(field) for field in fields)])
        return [(HEADER, text.encode())]

    def six_headers(self) -> list[tuple[str, bytes]]:
        """The same as code before 7 reads it."""
        values = {name: getattr(self, _field(name)) for name in READERS} | {"schema": SCHEMA}
        return [(name, str(value).encode()) for name, value in values.items() if value is not None]


_REMEMBERED: dict[bytes, Envelope] = {}


def _of_one(values: Sequence[bytes | None]) -> Envelope:
    """The envelope of the header `feedfall`. The same bytes again are the same envelope, and are not parsed."""
    value = values[0]
    if value is None or len(values) > 1:
        wrong = "no value" if len(values) == 1 else f"{len(values)} values"
        raise Unreadable(f"header {HEADER} has {wrong}: a message has one")
    known = _REMEMBERED.get(value)
    if known is None:
        known = _parse(value)
        if len(_REMEMBERED) >= REMEMBERED:
            _REMEMBERED.clear()
        _REMEMBERED[value] = known
    return known


def _parse(value: bytes) -> Envelope:
    if len(value) > LONGEST:
        raise Unreadable(f"header {HEADER} has {len(value):,} bytes, and {LONGEST:,} are allowed")
    start = value[:SHOWN]
    if b"\0" in value:
        raise Unreadable(f"header {HEADER} has a NUL: it begins with {start!r}")
    try:
        version, *texts = value.decode().split(SEPARATOR, len(READERS))
    except UnicodeDecodeError as error:
        raise Unreadable(f"header {HEADER} is not UTF-8: it begins with {start!r}") from error
    if version != VERSION:
        other = f"version {version[:SHOWN]!r}, and this image reads {VERSION}"
        raise Unreadable(f"header {HEADER} has {other}: redrive it with a newer one")
    if len(texts) < len(READERS):
        raise Unreadable(f"header {HEADER} ends after {len(texts)} of {len(READERS)} fields: it begins with {start!r}")
    given = {name: text for name, text in zip(READERS, texts, strict=True) if text}
    return Envelope(**{_field(name): _read_field(f"{HEADER}, {name}", name, text) for name, text in given.items()})


def _read_six(headers: Headers) -> dict[str, Any]:
    """The fields of an envelope that the six headers give. Raises Unreadable where they are ours and cannot be read."""
    named = {name: value for name, value in headers if name in READERS and value is not None}
    ours = _are_ours(headers)
    if not ours:
        named.pop("kind", None)  # another publisher's "empty" may mean anything; its row must not vanish
    found: dict[str, Any] = {}
    for name, value in named.items():
        try:
            found[_field(name)] = READERS[name](value.decode())
        except ValueError as error:
            if ours:
                raise Unreadable(f"header {name} is {value!r}: {error}") from error
    return found


def _check_agreement(envelope: Envelope, headers: Headers) -> None:
    """A publisher may write both forms while its readers change. Raises Unreadable where they are not the same."""
    for name, value in _read_six(headers).items() if _are_ours(headers) else ():
        said = getattr(envelope, name)
        if value != said and {value, said} != {"", None}:  # an empty field is none
            raise Unreadable(f"header {HEADER} says {name} {said!s:.{SHOWN}}, another header says {value!s:.{SHOWN}}")


def _are_ours(headers: Headers) -> bool:
    return dict(headers).get("schema") == SCHEMA.encode()


def _field(name: str) -> str:
    """The envelope's field of a header's name."""
    return name.replace("-", "_")


def _read_field(where: str, name: str, text: str) -> Any:  # noqa: ANN401 -- the type that the field has
    try:
        return READERS[name](text)
    except ValueError as error:
        raise Unreadable(f"header {where} is {text[:SHOWN]!r}: {error}"[:LONGEST]) from error


def _natural(value: str) -> int:
    number = int(value)
    if not value.isdigit() or not 0 <= number < 2**31:
        raise ValueError("not a number from 0 to 2147483647")
    return number


def _date(value: str) -> date:
    if len(value) != len("2026-11-20") or "W" in value:  # Python reads ISO's weeks too
        raise ValueError("not a date as YYYY-MM-DD")
    return date.fromisoformat(value)


#: The fields, in the order in which the header `feedfall` has them.
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
