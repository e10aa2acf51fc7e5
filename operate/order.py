"""order and rerun: what a person asks for a base date is written into the journal; a Workflow of pub does it.

    order (주문)    the request of this (feed, base date, seq), once
    rerun (재수행)  the same date under the next free seq, for a reason

Called by `feedfall submit`, and by whoever else may start a Workflow. Nothing here reads or loads a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import count

from catalog import Feed, Policy
from ledger import journal, request
from ledger.database import Connection
from operate.argo import Argo
from operate.ending import WorkflowState
from steps.run.exits import Misconfigured


@dataclass(frozen=True)
class Order:
    """What is asked for. `day`: as the calendar judged it; `asked`: as the person said it, where it differs."""

    feed: Feed
    day: date
    seq: int = 1
    asked: date | None = None
    policy: Policy | None = None

    @property
    def key(self) -> str:
        """The name of its first run."""
        return f"{self.feed.name}-pub-{self.day:%Y%m%d}-{self.seq}"

    @property
    def parameters(self) -> Mapping[str, str]:
        """Of pub's template."""
        given = {"base-date": (self.asked or self.day).isoformat(), "seq": str(self.seq)}
        return given | ({"policy": self.policy.value} if self.policy else {})


@dataclass(frozen=True)
class Author:
    """Who asks, by which channel, and why."""

    by: str
    channel: str = "command"
    reason: str = ""
    about: Mapping[str, object] = field(default_factory=dict)
    """More for the journal: an address, a ticket."""


def write(connection: Connection, order: Order, author: Author) -> bool:
    """A line `order` in the journal; False where the role may not write there (a reader's). The caller commits."""
    if not journal.may_write(connection):
        return False
    journal.write(
        connection, "order", order.feed.name, author.by, author.reason.strip() or "ordered", **_detail(order, author)
    )
    return True


def rerun(connection: Connection, order: Order, author: Author) -> Order:
    """The same under the next free seq, with a line `rerun`. Raises Misconfigured. The caller commits."""
    if not author.reason.strip():
        raise Misconfigured("--rerun needs --reason: it is written to the journal")
    seq = request.highest_seq(connection, order.feed.name, order.day) + 1
    again = Order(order.feed, order.day, seq, order.asked, order.policy)
    journal.write(connection, "rerun", order.feed.name, author.by, author.reason, **_detail(again, author))
    return again


def vacancy(get: Callable[[str], WorkflowState | None], key: str) -> tuple[str, bool]:
    """A key's run that is not over (True), or the next free name: an earlier run met a hold, a holiday, a fault."""
    for number in count(1):
        name = key if number == 1 else f"{key}-{number}"
        seen = get(name)
        if seen is None or not seen.over:
            return name, seen is not None
    raise AssertionError


def start(argo: Argo, order: Order) -> str:
    """Start pub for it, or find the run that does it; the run's name. Not waited for."""
    name, there = vacancy(argo.get, order.key)
    if not there:
        argo.start(f"{order.feed.name}-pub", name, order.parameters)
    return name


def _detail(order: Order, author: Author) -> dict[str, object]:
    policy = {"policy": order.policy.value} if order.policy else {}
    about = {"base_date": order.day.isoformat(), "seq": order.seq, "channel": author.channel}
    return {**about, **policy, **author.about}
