"""A game of the lease: who is there, how often what may happen, and a promise that was not kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from steps.drain.drain import Drain

if TYPE_CHECKING:
    from collections.abc import Mapping

Action = tuple[str, str]


class Broken(AssertionError):  # noqa: N818 -- what it says of a promise
    """A promise was not kept."""


@dataclass(frozen=True)
class Scenario:
    """Who is there, and how often what may happen. `uids`: pod → its Workflow; `tables`: SQL that changes them."""

    uids: Mapping[str, str] = field(default_factory=lambda: {"A": "one", "B": "two"})
    there: int = 1
    partitions: int = 1
    pods: int = 1
    """How many are started at once, as the feed says."""
    messages: int = 2
    crashes: int = 0
    expiries: int = 0
    cuts: int = 0
    holds: int = 0
    mutation: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    tables: str = ""
    drain: type[Drain] = Drain


BUDGETS = ("messages", "crashes", "expiries", "cuts")
