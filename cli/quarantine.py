"""The desk of quarantine: what waits, for a person or for its day; and loading it after all, or never.

    feedfall quarantine list fx                                       what waits, each with its entry
    feedfall quarantine show fx 0@1631                                all of one: headers, value, history
    feedfall quarantine redrive fx 0@1631 --value - --reason …        judged again by the feed's own rules, and loaded
    feedfall quarantine list fx --json > rows.json                    … many: mend the values in the file, then
    feedfall quarantine redrive fx --fixed rows.json --reason …
    feedfall quarantine discard fx 0@1631 --reason …                  marked; the row stays here for ever

An entry is PARTITION@OFFSET, with /ROW where its message held several, and TOPIC/ before it for another topic than the
feed's responses. Exit codes: 65 some are still bad, 77 nothing was done (held, or busy), 78 a wrong word.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from catalog import Feed
from cli import show
from cli.options import AnyFeed, By, FeedName, Json, Limit, Reason, known, ledger
from ledger import control, quarantine
from ledger.database import Connection
from ledger.errors import translated
from ledger.key import LeaseKey
from ledger.quarantine import Entry, Key
from operate.follow import Stopped
from steps.load.redrive import Instruction, Redrive, Resolution
from steps.run.execution import Outcome, executing, stopping
from steps.run.exits import DataRefused, Exit, Misconfigured
from steps.run.settings import Settings
from steps.run.status import Status


class Fate(StrEnum):
    """Why a row waits."""

    QUARANTINED = "quarantined"
    DEFERRED = "deferred"


One = Annotated[str, typer.Argument(help="The entry, as `list` shows it.", metavar="ENTRY")]
Named = Annotated[list[str] | None, typer.Argument(help="Entries, as `list` shows them.", metavar="[ENTRY]...")]
Settled = Annotated[bool, typer.Option("--settled", help="Also those that were loaded or discarded since.")]
OfFate = Annotated[Fate | None, typer.Option(help="Only quarantined or only deferred ones.")]
Matching = Annotated[str | None, typer.Option(help="Only those whose reason holds these words.")]
Every = Annotated[bool, typer.Option("--all", help="All that wait: the quarantined ones, if --fate says nothing else.")]
Value = Annotated[str | None, typer.Option(help="A file with what the one entry should say; - is stdin.")]
Fixed = Annotated[str | None, typer.Option(help="A file of entries as `list --json` prints them, values mended; -.")]
Calendar = Annotated[bool, typer.Option("--calendar", help="Judge base dates too, as if the rows had just come.")]


def entries(
    feed: AnyFeed = None,
    limit: Limit = 100,
    *,
    fate: OfFate = None,
    matching: Matching = None,
    settled: Settled = False,
    as_json: Json = False,
) -> None:
    """List the rows that wait: where each came from, what is wrong with it, or until when it is deferred."""
    with ledger(needs_kafka=False) as (_, connection):
        name = feed and known(feed).name
        found = quarantine.entries(connection, name, limit, resolved=settled, fate=fate, matching=matching)
    if as_json:
        return show.as_json([_in_words(entry) for entry in found])
    columns = ("feed", "entry", "fate", "until", "since", "reason", "value")
    lines = [(q.feed, q.label, q.settled_as or q.fate, q.until, q.at, q.reason, q.value) for q in found]
    return show.table(columns, lines, empty="Quarantine is empty.")


def show_entry(feed: FeedName, entry: One, *, as_json: Json = False) -> None:
    """Show all of one entry: its message's key, headers and value, and what was done to it."""
    with ledger(needs_kafka=False) as (environment, connection):
        [found] = _find(connection, known(feed), [entry], environment.topic_prefix)
        deeds = quarantine.history(connection, found)
    if as_json:
        return show.as_json({**_in_words(found), "history": deeds})
    told = _in_words(found)
    value, headers = told.pop("value"), told.pop("headers")
    for name, word in told.items():
        if word is not None:
            typer.echo(f"{name:16}{word if isinstance(word, int) else show.word(word)}")
    for name, word in headers:
        typer.echo(f"{'header':16}{name} = {word}")
    for deed in deeds:
        details = ", ".join(f"{name} {word}" for name, word in deed.detail.items() if name not in ("entry", "source"))
        typer.echo(f"{'history':16}{show.word(deed.at)} {deed.who} {deed.verb}: {deed.reason} ({details})")
    return typer.echo(f"value\n{value or ''}")


def redrive(
    feed: FeedName,
    reason: Reason,
    by: By,
    entry: Named = None,
    *,
    every: Every = False,
    fate: OfFate = None,
    matching: Matching = None,
    value: Value = None,
    fixed: Fixed = None,
    calendar: Calendar = False,
    as_json: Json = False,
) -> None:
    """Load entries after all: judged again, as they came or mended. A newer row in the table stays. Again: harmless."""
    wanted = known(feed)
    _check(entry, reason, every=every, value=value, fixed=fixed, matching=matching, fate=fate, calendar=calendar)
    with ledger(needs_kafka=False) as (environment, connection):
        mended = _mended(fixed) if fixed else {}
        names = [*(entry or []), *mended]
        found = _find(connection, wanted, names, environment.topic_prefix)
        chosen = _by_shard(found)
        if every:
            chosen = quarantine.fetch_unresolved(connection, wanted.name, fate or Fate.QUARANTINED, matching=matching)
    words = {each.id: bytes_ for each in found if (bytes_ := _value_of(each, mended, value)) is not None}
    instruction = Instruction(by, reason, ask_calendar=calendar, values=words)
    told = [Resolution(each.label, each.settled_as, _already(each)) for each in found if each.settled_as]
    outcome, new = _redrive(environment, wanted, instruction, chosen)
    _answer([*told, *new], outcome, as_json=as_json)


def discard(
    feed: FeedName,
    entry: Annotated[list[str], typer.Argument(help="Entries, as `list` shows them.", metavar="ENTRY...")],
    reason: Reason,
    by: By,
    *,
    as_json: Json = False,
) -> None:
    """Say that entries are never loaded. They stay here, with who said so and why."""
    with ledger(needs_kafka=False) as (environment, connection):
        found = _find(connection, known(feed), entry, environment.topic_prefix)
        with translated():
            if not control.still_open(connection, feed, though_blocked=True):
                _not_done(Status.HELD, f"{Status.HELD.sentence} until `feedfall free`")
        done = {each.id for each in quarantine.discard(connection, feed, found, by, reason)}
    told = [
        Resolution(each.label, "discarded")
        if each.id in done
        else Resolution(each.label, each.settled_as or "", _already(each))
        for each in found
    ]
    _answer(told, None, as_json=as_json)


SCREEN = 100
PLACE = re.compile(r"(?:(?P<topic>[^/#@]+)(?:#(?P<source>\d+))?/)?(?P<partition>\d+)@(?P<offset>\d+)(?:/(?P<row>\d+))?")


def _check(entry: list[str] | None, reason: str, *, every: bool, value: str | None, **words: Any) -> None:  # noqa: ANN401 -- the command's own
    """Which words go together. Raises Misconfigured."""
    if not reason.strip():
        raise Misconfigured("--reason is empty: it is kept in the journal")
    if sum((bool(entry), every, bool(words["fixed"]))) != 1:
        raise Misconfigured("name entries, or give --all, or --fixed with a file of them: one of the three")
    if (words["matching"] or words["fate"]) and not every:
        raise Misconfigured("--matching and --fate narrow --all; entries that are named need neither")
    if value and (not entry or len(entry) != 1):
        raise Misconfigured("--value mends one entry: name it; --fixed mends many")
    if words["calendar"] and (value or words["fixed"]):
        raise Misconfigured("--calendar judges rows as they came; the date of a mended row is yours to say")


def _find(connection: Connection, feed: Feed, names: Sequence[str], prefix: str) -> list[Entry]:
    """The entries that are named. Raises Misconfigured for one that is not there, or that says too little."""
    return [_found(connection, feed, name, prefix) for name in dict.fromkeys(names)]


def _found(connection: Connection, feed: Feed, name: str, prefix: str) -> Entry:
    place = PLACE.fullmatch(name)
    if not place:
        raise Misconfigured(f"{name!r} is no entry: write PARTITION@OFFSET or PARTITION@OFFSET/ROW, as `list` does")
    topic, source = place["topic"] or feed.topic("response", prefix), place["source"]
    found = quarantine.find(
        connection,
        feed.name,
        topic,
        int(place["partition"]),
        int(place["offset"]),
        int(place["row"] or -1),
        int(source) if source else None,
    )
    if not found:
        raise Misconfigured(f"{feed.name} has no entry {name} on {topic}: `feedfall quarantine list {feed.name}`")
    if len(found) > 1:
        where = name.rpartition("/")[2] if place["row"] is None else name.rpartition("/")[0].rpartition("/")[2]
        ways = " or ".join(f"{topic}#{each.source}/{where}" for each in found)
        raise Misconfigured(f"{name} is more than one entry, for {topic} was made anew: say {ways}")
    return found[0]


def _by_shard(found: Sequence[Entry]) -> Mapping[int, Sequence[Key]]:
    shards: dict[int, list[Key]] = {}
    for each in found:
        if each.stage != "sub":
            raise Misconfigured(f"{each.label} is a request, not a row: discard it, and order its date again")
        if not each.settled_as:
            shards.setdefault(each.shard, []).append(each.id)
    return shards


def _mended(file: str) -> dict[str, str | None]:
    """Entry → its value, of a file as `list --json` prints it, or with an entry a line."""
    text, found = _read(file).decode(), []
    while text := text.lstrip():
        try:
            each, end = json.JSONDecoder().raw_decode(text)
        except ValueError as error:
            raise Misconfigured(f"{file}: not JSON: {error}") from error
        found += each if isinstance(each, list) else [each]
        text = text[end:]
    try:
        return {_label(each): each["value"] for each in found}
    except (TypeError, KeyError) as error:
        raise Misconfigured(f'{file}: each entry needs "entry" and "value", as `list --json` prints them') from error


def _label(each: Mapping[str, Any]) -> str:
    topic, between, rest = str(each["entry"]).partition("/")
    return f"{topic}#{each['source']}{between}{rest}" if "source" in each else str(each["entry"])


def _value_of(entry: Entry, mended: Mapping[str, str | None], value: str | None) -> bytes | None:
    """What is to stand in the place of an entry's value; None: as it came."""
    if value:
        return _read(value)
    topic, _, rest = entry.label.partition("/")
    said = mended.get(f"{topic}#{entry.source}/{rest}", mended.get(entry.label))
    return None if said is None or said == _text(entry.value) else said.encode()


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Misconfigured(f"{file} cannot be read: {error.strerror}") from error


def _redrive(
    environment: Settings, feed: Feed, instruction: Instruction, chosen: Mapping[int, Sequence[Key]]
) -> tuple[Outcome, list[Resolution]]:
    """A run of its own, booked like a pod's; none where nothing waits."""
    if not chosen:
        return Outcome(Status.SUCCEEDED), []
    named = replace(environment, name=f"redrive by {instruction.by}")
    with stopping() as stop, executing(named, LeaseKey(feed.name, "redrive"), stop) as execution:
        redriving = Redrive(execution, feed, instruction)
        execution.outcome = redriving.run(chosen)
        return execution.outcome, redriving.resolutions


def _answer(told: Sequence[Resolution], outcome: Outcome | None, *, as_json: bool) -> None:
    """Tell what became of each, and leave with the exit code that says it in sum."""
    if as_json:
        show.as_json(told)
    else:
        _show(told)
    if outcome and outcome.exit == Exit.STOPPED:
        raise Stopped
    if outcome and outcome.status is not Status.SUCCEEDED:
        _not_done(outcome.status, outcome.reason or "")
    bad = outcome.counts.get("quarantined", 0) if outcome else 0
    if bad:
        raise DataRefused(f"still bad, and waiting on: {bad}")


def _show(told: Sequence[Resolution]) -> None:
    """A line an entry; of more than a screen's worth only what waits on, and the sum."""
    lines = told if len(told) <= SCREEN else [each for each in told if each.became in list(Fate)][:SCREEN]
    if lines or not told:
        show.table(("entry", "became", "why"), [tuple(vars(each).values()) for each in lines], empty="Nothing waits.")
    if len(told) > SCREEN:
        counts = Counter(each.became for each in told)
        typer.echo(f"{len(told):,} entries: " + ", ".join(f"{count:,} {became}" for became, count in counts.items()))


def _not_done(status: Status, why: str) -> None:
    typer.echo(f"{status}: {why}", err=True)
    raise typer.Exit(Exit.NOT_DONE)


def _in_words(entry: Entry) -> dict[str, Any]:
    """An entry for people and programs: its headers in pairs, its bytes as text."""
    words = [_text(word) for word in entry.headers]
    pairs = list(zip(words[::2], words[1::2], strict=True))
    return {"entry": entry.label, **vars(entry), "headers": pairs, "value": _text(entry.value)}


def _text(found: bytes | None) -> str | None:
    return None if found is None else found.decode(errors="backslashreplace")


def _already(entry: Entry) -> str:
    return f"already, by {entry.settled_by} on {show.word(entry.settled_at)}"
