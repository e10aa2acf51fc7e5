"""A request to a partner, and the five kinds of its answer. Used by `feeds/partners/*` and relay.

    ask(request) ─┬─ Rows        what was requested
                  ├─ Empty       nothing, and whether that was to be expected (a holiday, before publication)
                  ├─ Refused     a clear refusal: bad key, unknown code; another request will not help
                  ├─ Quota       not now: too many calls; `retry_at` says when
                  └─ Malformed   an answer that cannot be read, or has no bounds

A transient failure (time-out, reset, 502) is none of these: the adapter lets httpx raise and relay tries again. The
client that an adapter gets bounds each answer in time and bytes; rows, columns, elements and depth are the adapter's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True)
class Request:
    """One request to a partner: its base date, and its attempt number (`seq`, from 1)."""

    correlation_id: UUID
    base_date: date
    seq: int = 1


@dataclass(frozen=True)
class Rows:
    """At least one row, as plain values that become the JSON of a message."""

    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Empty:
    reason: str
    expected: bool


@dataclass(frozen=True)
class Refused:
    reason: str


@dataclass(frozen=True)
class Quota:
    reason: str
    retry_at: datetime | None = None


@dataclass(frozen=True)
class Malformed:
    reason: str


Answer = Rows | Empty | Refused | Quota | Malformed


class Partner(Protocol):
    """An adapter. Made once a run, so it may remember what it fetched; called from several threads at once."""

    def ask(self, request: Request) -> Answer:
        """Request one base date. Lets httpx's own exceptions through."""


class Adapter(Protocol):
    """What the module named by `Feed.partner` must offer, as `partner`."""

    def __call__(self, client: "httpx.Client", now: datetime) -> Partner: ...
