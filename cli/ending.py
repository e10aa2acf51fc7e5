"""How the commands end that show first and act only with --yes. Called by `rebind` and `skip-gap`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from cli import show
from steps.run.execution import Outcome
from steps.run.exits import Exit
from steps.run.status import Status


@dataclass(frozen=True)
class Words:
    """A table's columns and its name in JSON, and what is said: of none, of what was only shown, of what was done."""

    name: str
    columns: Sequence[str]
    empty: str
    shown: str
    done: str


def end(feed: str, outcome: Outcome, words: Words, lines: Sequence[Sequence[object]], *, as_json: bool) -> None:
    """Print it. Exits with 77 where nothing was done."""
    if as_json:
        found = [dict(zip(words.columns, line, strict=True)) for line in lines]
        show.as_json({"feed": feed, "status": outcome.status, "reason": outcome.reason, words.name: found})
    else:
        show.table(words.columns, lines, empty=f"{feed} {words.empty}")
        if lines:
            _say(feed, outcome, words)
    if outcome.status not in (Status.SUCCEEDED, Status.NOTHING):
        sys.exit(Exit.NOT_DONE)


def _say(feed: str, outcome: Outcome, words: Words) -> None:
    if outcome.status is Status.SHOWN:
        show.say(f"Nothing was changed. {words.shown}")
    elif outcome.status is Status.BUSY:
        show.say(f"BUSY: {outcome.reason}. Try again.")
    else:
        show.say(words.done + (f" {feed} is no longer blocked." if outcome.counts.get("freed") else ""))
