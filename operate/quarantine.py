"""quarantine: look at quarantined and deferred rows, load them after all, correct what was resolved, or discard them.

An entry is named PARTITION@OFFSET, with /ROW where its message held several rows, and with TOPIC/ before it for another
topic than the feed's responses: TOPIC#SOURCE/ where a topic of that name was deleted and created anew. Called by
`feedfall quarantine`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from catalog import Envelope, Feed, Unreadable
from ledger import control, quarantine
from ledger.database import Connection, session
from ledger.errors import translated
from ledger.key import LeaseKey
from ledger.quarantine import Entry, HistoryLine, Key
from steps.load.correct import Correcting, in_force
from steps.load.entries import headers_of
from steps.load.redrive import Instruction, Redrive
from steps.run.execution import Outcome, executing
from steps.run.exits import Exit, Misconfigured
from steps.run.settings import Settings
from steps.run.status import Status

NAME = re.compile(r"(?:(?P<topic>[^/#@]+)(?:#(?P<source>\d+))?/)?(?P<partition>\d+)@(?P<offset>\d+)(?:/(?P<row>\d+))?")


class Fate(StrEnum):
    """Why a row is set aside."""

    QUARANTINED = "quarantined"
    DEFERRED = "deferred"


@dataclass(frozen=True)
class EntryDetails:
    """One entry, and what was done to it, oldest first."""

    entry: Entry
    history: Sequence[HistoryLine]


@dataclass(frozen=True)
class RedriveRequest:
    """Which entries to load after all, and with what value. One of `names`, `values` and `every` says which."""

    by: str
    reason: str
    names: Sequence[str] = ()
    every: bool = False
    fate: Fate | None = None
    matching: str | None = None
    value: bytes | None = None
    """What replaces the value of the one entry."""
    values: Mapping[str, str | None] = field(default_factory=dict)
    """Entry → what replaces its value, as `read_values` gives it."""
    ask_calendar: bool = False
    correct: bool = False
    """The entries are resolved: load better values in the place of their rows (정정)."""


@dataclass(frozen=True)
class EntryResult:
    """What became of an entry, and why. `earlier`: it was resolved before; nothing was done to it now."""

    entry: str
    became: str
    why: str = ""
    earlier: Entry | None = None
    unapplied: bool = False
    """A new value was given and not loaded: only a correction replaces the row of a resolved entry."""


@dataclass(frozen=True)
class QuarantineResult:
    """What became of each entry, and of the whole."""

    entries: Sequence[EntryResult]
    outcome: Outcome


def list_entries(
    connection: Connection,
    feed: Feed | None,
    limit: int,
    *,
    resolved: bool = False,
    fate: Fate | None = None,
    matching: str | None = None,
) -> list[Entry]:
    """The newest entries first, of one feed or of all; with `resolved` also those that were loaded or discarded."""
    name = feed.name if feed else None
    return quarantine.entries(connection, name, limit, resolved=resolved, fate=fate, matching=matching)


def load_entry(connection: Connection, feed: Feed, name: str, topic_prefix: str) -> EntryDetails:
    """One entry by its name. Raises Misconfigured."""
    entry = _find(connection, feed, name, topic_prefix)
    return EntryDetails(entry, quarantine.history(connection, entry))


def redrive(settings: Settings, feed: Feed, wanted: RedriveRequest, stop: threading.Event) -> QuarantineResult:
    """Load entries after all, in a run of its own; none where there is nothing to do. Harmless to repeat."""
    with session(settings.database_url, f"feedfall {wanted.by}") as connection:
        names = [*wanted.names, *wanted.values]
        found = find_entries(connection, feed, names, settings.topic_prefix)
        chosen = _unresolved_by_partition(found)
        if wanted.every:
            fate = wanted.fate or Fate.QUARANTINED
            chosen = quarantine.fetch_unresolved(connection, feed.name, fate, matching=wanted.matching)
        fixed = {each.id: value for each in found if (value := _replacement(each, wanted)) is not None}
        earlier = [_earlier(connection, each, fixed.get(each.id)) for each in found if each.settled_as]
    if wanted.correct:
        return _correct(settings, feed, wanted, [each for each in found if each.id in fixed], fixed, stop)
    if not chosen:
        return QuarantineResult(earlier, Outcome(Status.SUCCEEDED))
    instruction = Instruction(wanted.by, wanted.reason, ask_calendar=wanted.ask_calendar, values=fixed)
    with executing(
        replace(settings, name=f"redrive by {wanted.by}"), LeaseKey(feed.name, "redrive"), stop
    ) as execution:
        redriving = Redrive(execution, feed, instruction)
        outcome = execution.outcome = _judged(redriving.run(chosen))
    redriven = [EntryResult(each.entry, each.became, each.why) for each in redriving.resolutions]
    return QuarantineResult([*earlier, *redriven], outcome)


def _judged(outcome: Outcome) -> Outcome:
    """What is still bad is a failure, in the table of runs too."""
    bad = outcome.counts.get("quarantined", 0)
    if outcome.status is not Status.SUCCEEDED or not bad:
        return outcome
    return replace(outcome, status=Status.FAILED, code=Exit.DATA, reason=f"still bad, and waiting on: {bad}")


def _correct(
    settings: Settings,
    feed: Feed,
    wanted: RedriveRequest,
    entries: Sequence[Entry],
    values: Mapping[Key, bytes],
    stop: threading.Event,
) -> QuarantineResult:
    """Load better values in the place of rows that resolved entries gave. Raises Misconfigured, DataRefused."""
    for each in entries:
        if each.settled_as not in ("loaded", "discarded"):
            raise Misconfigured(f"{each.label} {NOT_CORRECTED[each.settled_as]}")
    if not entries:
        return QuarantineResult((), Outcome(Status.SUCCEEDED))
    with executing(
        replace(settings, name=f"correction by {wanted.by}"), LeaseKey(feed.name, "correct"), stop
    ) as execution:
        correcting = Correcting(execution, feed, wanted.by, wanted.reason, values)
        outcome = execution.outcome = correcting.run(entries)
    corrected = [EntryResult(each.entry, each.became, each.why) for each in correcting.resolutions]
    return QuarantineResult(corrected, outcome)


#: Why an entry has no row that could be corrected.
NOT_CORRECTED = {
    None: "still waits: redrive it with its value, without --correct",
    "superseded": "was superseded: a newer row of its key stands, and nothing of this entry is in the table",
    "duplicate": "was a duplicate: the row that stands came from elsewhere, and nothing of this entry is in the table",
    "split": "was split: its rows are entries of their own, correct one of these (/0, /1 …)",
}


def discard(
    connection: Connection, feed: Feed, names: Sequence[str], by: str, reason: str, topic_prefix: str
) -> QuarantineResult:
    """Decide that entries are never loaded; they stay here. Nothing is done to a held feed. The caller commits."""
    found = find_entries(connection, feed, names, topic_prefix)
    with translated():
        if not control.still_open(connection, feed.name, though_blocked=True):
            return QuarantineResult((), Outcome(Status.HELD, reason=f"{Status.HELD.sentence} until `feedfall free`"))
    done = {each.id for each in quarantine.discard(connection, feed.name, found, by, reason)}
    results = [EntryResult(each.label, "discarded") if each.id in done else _resolved_before(each) for each in found]
    return QuarantineResult(results, Outcome(Status.SUCCEEDED))


def find_entries(connection: Connection, feed: Feed, names: Sequence[str], topic_prefix: str) -> list[Entry]:
    """The entries of these names. Raises Misconfigured for a name of none, or of several."""
    return [_find(connection, feed, name, topic_prefix) for name in dict.fromkeys(names)]


def read_values(text: str, origin: str) -> dict[str, str | None]:
    """Entry → its value: a JSON list, as `list --json` prints it, or one entry a line. `origin` names it in errors."""
    found: list[Any] = []
    while text := text.lstrip():
        try:
            each, end = json.JSONDecoder().raw_decode(text)
        except ValueError as error:
            raise Misconfigured(f"{origin}: not JSON: {error}") from error
        found += each if isinstance(each, list) else [each]
        text = text[end:]
    try:
        return {_name_in_file(each): each["value"] for each in found}
    except (TypeError, KeyError) as error:
        raise Misconfigured(f'{origin}: each entry needs "entry" and "value", as `list --json` prints them') from error


def fields(entry: Entry) -> dict[str, Any]:
    """An entry for people and programs: its headers in pairs, its bytes as text."""
    words = [_text(word) for word in entry.headers]
    pairs = list(zip(words[::2], words[1::2], strict=True))
    return {"entry": entry.label, **vars(entry), "headers": pairs, "value": _text(entry.value)}


def envelope_of(entry: Entry) -> dict[str, str]:
    """What the entry's headers say, in one form or the other; `unreadable`: why that cannot be known."""
    try:
        envelope = Envelope.of(headers_of(entry))
    except Unreadable as error:
        return {"unreadable": str(error)}
    if envelope == Envelope():
        return {}
    return {name: value.decode() for name, value in envelope.six_headers() if name != "schema"}


def _find(connection: Connection, feed: Feed, name: str, topic_prefix: str) -> Entry:
    place = NAME.fullmatch(name)
    if not place:
        raise Misconfigured(f"{name!r} is no entry: write PARTITION@OFFSET or PARTITION@OFFSET/ROW, as `list` does")
    topic, source = place["topic"] or feed.topic("response", topic_prefix), place["source"]
    partition, offset, row = int(place["partition"]), int(place["offset"]), int(place["row"] or -1)
    found = quarantine.find(connection, feed.name, topic, partition, offset, row, int(source) if source else None)
    if not found:
        raise Misconfigured(f"{feed.name} has no entry {name} on {topic}: `feedfall quarantine list {feed.name}`")
    if len(found) > 1:
        where = f"{partition}@{offset}" + (f"/{row}" if row >= 0 else "")
        names = " or ".join(f"{topic}#{each.source}/{where}" for each in found)
        raise Misconfigured(f"{name} is more than one entry, for {topic} was created anew: say {names}")
    return found[0]


def _unresolved_by_partition(found: Sequence[Entry]) -> Mapping[int, Sequence[Key]]:
    partitions: dict[int, list[Key]] = {}
    for each in found:
        if each.stage != "sub":
            raise Misconfigured(f"{each.label} is a request, not a row: discard it, and request its date again")
        if not each.settled_as:
            partitions.setdefault(each.partition, []).append(each.id)
    return partitions


def _resolved_before(entry: Entry) -> EntryResult:
    return EntryResult(entry.label, entry.settled_as or "", earlier=entry)


def _earlier(connection: Connection, entry: Entry, value: bytes | None) -> EntryResult:
    """It was resolved before: does the value that is given now stand already?"""
    unapplied = value is not None and in_force(connection, entry).value != value
    return replace(_resolved_before(entry), unapplied=unapplied)


def _replacement(entry: Entry, wanted: RedriveRequest) -> bytes | None:
    """What replaces an entry's value; None: its own is taken."""
    if wanted.value is not None:
        return wanted.value
    topic, _, rest = entry.label.partition("/")
    text = wanted.values.get(f"{topic}#{entry.source}/{rest}", wanted.values.get(entry.label))
    return None if text is None or text == _text(entry.value) else text.encode()


def _name_in_file(each: Mapping[str, Any]) -> str:
    topic, between, rest = str(each["entry"]).partition("/")
    return f"{topic}#{each['source']}{between}{rest}" if "source" in each else str(each["entry"])


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="backslashreplace")
