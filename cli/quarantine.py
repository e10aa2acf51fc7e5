"""`feedfall quarantine`: look at what was set aside, load it after all, or discard it.

    feedfall quarantine list fx                                       quarantined and deferred rows, each with its entry
    feedfall quarantine show fx 0@1631                                one of them: headers, value, history
    feedfall quarantine redrive fx 0@1631 --value - --reason …        judged again by the feed's own rules, and loaded
    feedfall quarantine list fx --json > rows.json                    … many: correct the values in the file, then
    feedfall quarantine redrive fx --fixed rows.json --reason …
    feedfall quarantine redrive fx 0@1631 --correct --value - …       … and again, where that was mended wrongly
    feedfall quarantine discard fx 0@1631 --reason …                  never loaded; the row stays here for ever

An entry is PARTITION@OFFSET, with /ROW where its message held several, and TOPIC/ before it for another topic than the
feed's responses. Exit codes: 65 some are still bad, 77 nothing was done (held, or busy), 78 a wrong option or value.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

import operate.quarantine
from cli import show
from cli.options import (
    AnyFeed,
    By,
    FeedName,
    Json,
    Limit,
    OneDatabase,
    Reason,
    aside,
    in_each_database,
    load_feed,
    load_feeds,
    open_ledger,
    read_settings,
)
from ledger.quarantine import Entry
from operate.quarantine import (
    EntryResult,
    Fate,
    QuarantineResult,
    RedriveRequest,
    envelope_of,
    fields,
    list_entries,
    load_entry,
)
from operate.stopped import Stopped
from steps.run.execution import stopping
from steps.run.exits import DataRefused, Exit, Misconfigured
from steps.run.status import Status

#: How many lines fit on a screen.
SCREEN = 100

EntryName = Annotated[str, typer.Argument(help="The entry, as `list` shows it.", metavar="ENTRY")]
EntryNames = Annotated[list[str], typer.Argument(help="Entries, as `list` shows them.", metavar="ENTRY...")]
SomeEntries = Annotated[list[str] | None, typer.Argument(help="Entries, as `list` shows them.", metavar="[ENTRY]...")]
AlsoResolved = Annotated[bool, typer.Option("--settled", help="Also resolved entries: loaded or discarded since.")]
OfFate = Annotated[Fate | None, typer.Option(help="Only quarantined or only deferred rows.")]
Matching = Annotated[str | None, typer.Option(help="Only those whose reason contains this text.")]
Every = Annotated[bool, typer.Option("--all", help="All quarantined rows; all deferred ones with --fate=deferred.")]
ValueFile = Annotated[str | None, typer.Option("--value", help="A file with the entry's correct value; - is stdin.")]
FixedFile = Annotated[
    str | None,
    typer.Option("--fixed", help="A file of entries as `list --json` prints them, with correct values; - is stdin."),
]
Correct = Annotated[
    bool,
    typer.Option("--correct", help="The entries are resolved: load better values in the place of their rows (정정)."),
]
AskCalendar = Annotated[
    bool, typer.Option("--calendar", help="Judge base dates by the calendar too, as when the rows came.")
]


def entries(
    feed: AnyFeed = None,
    limit: Limit = 100,
    *,
    database: OneDatabase = None,
    fate: OfFate = None,
    matching: Matching = None,
    settled: AlsoResolved = False,
    as_json: Json = False,
) -> None:
    """List quarantined and deferred rows: where each came from, what is wrong with it, until when it is deferred."""
    answers = in_each_database(
        load_feeds(feed, database),
        lambda _, connection, feeds: list_entries(
            connection, feeds[0] if feed else None, limit, resolved=settled, fate=fate, matching=matching
        ),
        needs_kafka=False,
    )
    found = sorted(chain(*answers.found.values()), key=lambda entry: entry.at, reverse=True)[:limit]
    if as_json:
        show.as_json([fields(entry) for entry in found])
        return answers.check()
    columns = ("feed", "entry", "fate", "until", "since", "reason", "value")
    lines = [(q.feed, q.label, q.settled_as or q.fate, q.until, q.at, q.reason, q.value) for q in found]
    show.table(columns, lines, empty="Quarantine is empty.")
    return answers.check()


def show_entry(feed: FeedName, entry: EntryName, *, as_json: Json = False) -> None:
    """Show one entry: its message's key, headers and value, and what was done to it."""
    wanted = load_feed(feed)
    with open_ledger(wanted, needs_kafka=False) as (environment, connection):
        details = load_entry(connection, wanted, entry, environment.topic_prefix)
    found, envelope = fields(details.entry), envelope_of(details.entry)
    if as_json:
        return show.as_json({**found, "envelope": envelope, "history": details.history})
    value, headers = found.pop("value"), found.pop("headers")
    for name, word in found.items():
        if word is not None:
            show.say(f"{name:16}{word if isinstance(word, int) else show.word(word)}")
    for name, word in headers:
        show.say(f"{'header':16}{show.word(name)} = {show.word(word)}")
    for name, word in envelope.items():
        show.say(f"{'envelope':16}{name} = {show.word(word)}")
    for deed in details.history:
        more = ", ".join(f"{name} {word}" for name, word in deed.detail.items() if name not in ("entry", "source"))
        show.say(f"{'history':16}{show.word(deed.at)} {show.word(f'{deed.who} {deed.verb}: {deed.reason} ({more})')}")
    return show.say(f"value\n{value or ''}")


def redrive(
    feed: FeedName,
    reason: Reason,
    by: By,
    entry: SomeEntries = None,
    *,
    every: Every = False,
    fate: OfFate = None,
    matching: Matching = None,
    value: ValueFile = None,
    fixed: FixedFile = None,
    calendar: AskCalendar = False,
    correct: Correct = False,
    as_json: Json = False,
) -> None:
    """Load entries after all, as they came or with correct values. A newer row in the table stays. Safe to repeat."""
    wanted = load_feed(feed)
    _check_choice(entry, fixed, every=every, narrowed=bool(fate or matching))
    if correct and not (value or fixed):
        raise Misconfigured("--correct needs the better value: --value for one entry, --fixed for many")
    _check_values(entry, value, fixed, calendar=calendar)
    request = RedriveRequest(
        by,
        reason,
        entry or (),
        every,
        fate,
        matching,
        value=_read(value) if value else None,
        values=operate.quarantine.read_values(_read(fixed).decode(), fixed) if fixed else {},
        ask_calendar=calendar,
        correct=correct,
    )
    with stopping() as stop:
        result = operate.quarantine.redrive(read_settings(wanted, needs_kafka=False), wanted, request, stop)
    _answer(result, as_json=as_json)


def discard(feed: FeedName, entry: EntryNames, reason: Reason, by: By, *, as_json: Json = False) -> None:
    """Decide that entries are never loaded. They stay here, with who decided it and why."""
    wanted = load_feed(feed)
    with open_ledger(wanted, needs_kafka=False) as (environment, connection):
        result = operate.quarantine.discard(connection, wanted, entry, by, reason, environment.topic_prefix)
    if result.outcome.status is Status.HELD:
        _leave(result)
    _answer(result, as_json=as_json)


def _check_choice(entry: list[str] | None, fixed: str | None, *, every: bool, narrowed: bool) -> None:
    """Is it clear which entries are meant? Raises Misconfigured."""
    if sum((bool(entry), every, bool(fixed))) != 1:
        raise Misconfigured("name entries, or give --all, or --fixed with a file of them: one of the three")
    if narrowed and not every:
        raise Misconfigured("--matching and --fate narrow --all; entries that are named need neither")


def _check_values(entry: list[str] | None, value: str | None, fixed: str | None, *, calendar: bool) -> None:
    """Which options about values go together? Raises Misconfigured."""
    if value and (not entry or len(entry) != 1):
        raise Misconfigured("--value mends one entry: name it; --fixed mends many")
    if calendar and (value or fixed):
        raise Misconfigured("--calendar judges rows as they came; a row with a new value has the date that you give it")


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Misconfigured(f"{file} cannot be read: {error.strerror}") from error


def _answer(result: QuarantineResult, *, as_json: bool) -> None:
    """Show what became of each entry, and exit with the code of the whole."""
    lines = [(each.entry, each.became, _why(each)) for each in result.entries]
    if as_json:
        show.as_json([dict(zip(COLUMNS, line, strict=True)) for line in lines])
    else:
        _show(lines)
    if result.outcome.exit == Exit.STOPPED:
        raise Stopped
    if result.outcome.exit == Exit.DATA:
        raise DataRefused(result.outcome.reason or "")
    if result.outcome.status is not Status.SUCCEEDED:
        _leave(result)
    if unapplied := [each.entry for each in result.entries if each.unapplied]:
        aside(
            f"not loaded, for it is resolved: {', '.join(unapplied[:5])}. `--correct` loads the new value in its place"
        )
        raise typer.Exit(Exit.NOT_DONE)


COLUMNS = ("entry", "became", "why")


def _show(results: Sequence[tuple[str, str, str]]) -> None:
    """One line an entry; if they fill more than a screen, only those that are still set aside, and a summary."""
    lines = results if len(results) <= SCREEN else [each for each in results if each[1] in list(Fate)][:SCREEN]
    if lines or not results:
        show.table(COLUMNS, lines, empty="Nothing waits.")
    if len(results) > SCREEN:
        counts = Counter(became for _, became, _ in results)
        show.say(f"{len(results):,} entries: " + ", ".join(f"{count:,} {became}" for became, count in counts.items()))


def _why(each: EntryResult) -> str:
    return _already(each.earlier) if each.earlier else each.why


def _already(entry: Entry) -> str:
    return f"already, by {entry.settled_by} on {show.word(entry.settled_at)}"


def _leave(result: QuarantineResult) -> None:
    aside(f"{result.outcome.status}: {result.outcome.reason or ''}")
    raise typer.Exit(Exit.NOT_DONE)


app = typer.Typer(help="Quarantined and deferred rows.", no_args_is_help=True)
app.command("list")(entries)
app.command("show")(show_entry)
app.command("redrive")(redrive)
app.command("discard")(discard)
