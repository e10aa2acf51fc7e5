"""`feedfall why FEED`: one base date: the sentence, what happened so far, what comes next, and which verbs help."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from cli import show
from cli.desk_options import Lang, day_json, feed_clock, leave, said
from cli.options import FeedName, Feeds, Json, base_date_of, load_feed, open_ledger
from ledger import desk as ledger_desk
from operate.desk import affair
from operate.desk.desk import Band, State
from operate.desk.read import open_calendar, read
from operate.desk.words import columns, state_word

if TYPE_CHECKING:
    from catalog import Feed
    from operate.desk.affair import Affair, Event
    from operate.desk.desk import FeedDay

Date = Annotated[
    str | None, typer.Option("--date", help="The base date, YYYY-MM-DD; if absent, the most pressing one.")
]

#: What a person types for a verb; DATE and REASON are filled in.
COMMANDS = {
    "order": "feedfall submit {feed} --date {day}",
    "force": "feedfall submit {feed} --date {day} --policy OrderAnyway",
    "rerun": "feedfall submit {feed} --date {day} --rerun --reason …",
    "hold": "feedfall hold {feed} --reason …",
    "free": "feedfall free {feed} --reason …",
    "kill": "feedfall kill {feed} --reason …",
    "accept": "feedfall accept {feed} --date {day} --reason …",
    "withdraw": "feedfall withdraw {feed} --date {day} --reason …",
    "redrive": "feedfall quarantine redrive {feed} ENTRY --reason …",
    "discard": "feedfall quarantine discard {feed} ENTRY --reason …",
}


def why(feed: FeedName, day: Date = None, *, lang: Lang = "en", as_json: Json = False) -> None:
    """Say why a base date is not here, what happened so far, what comes next, and which verbs help."""
    wanted, now = load_feed(feed), datetime.now(UTC)
    asked = base_date_of(day) if day else _most_pressing(wanted, now)
    with open_ledger(wanted, needs_kafka=False) as (environment, connection), ledger_desk.looking(connection) as moment:
        calendar = open_calendar(moment, wanted.calendar, environment.calendars)
        found = affair.fetch(moment, wanted, asked, calendar, now)
    if as_json:
        events = [_event_json(each, lang) for each in found.events]
        show.as_json({**day_json(found.day, lang), "events": events, "locks": found.locks})
    else:
        _show(wanted, found, lang)


def _most_pressing(feed: Feed, now: datetime) -> date:
    """The base date that needs a person most, of those on the desk; today's where none is there."""
    desk = read([feed], now=now)
    leave(desk, Feeds([feed]))
    days = [each for each in desk.days if each.feed == feed.name]
    return min(days, key=_pressing).base_date if days else now.astimezone(ZoneInfo(feed.zone)).date()


def _pressing(each: FeedDay) -> tuple[int, int, int]:
    return (list(Band).index(each.band), list(State).index(each.state), -each.base_date.toordinal())


def _show(feed: Feed, found: Affair, lang: str) -> None:
    day, (at, event, due) = found.day, columns(("at", "event", "due"), lang)
    where = f"{day.feed} {day.base_date} · {state_word(day.state, lang)}"
    show.say(f"{where} · {due} {feed_clock(day.due_at, feed.zone) or '-'}")
    show.say(said(day.why, lang))
    for each in (day.next, *(lock for lock in found.locks if lock != day.why)):
        if each:
            show.say(said(each, lang))
    show.say("")
    show.table((at, event), [(each.at, _event(each, lang)) for each in found.events], empty="No event yet.")
    if day.verbs:
        show.say("")
    for verb in day.verbs:
        show.say(COMMANDS.get(verb, f"feedfall {verb} {{feed}}").format(feed=day.feed, day=day.base_date))


def _event(each: Event, lang: str) -> str:
    until = f" … {show.word(each.last_at)}" if each.last_at and each.what.code == "event-runs" else ""
    return said(each.what, lang) + until


def _event_json(each: Event, lang: str) -> dict[str, object]:
    return {**vars(each), "sentence": said(each.what, lang)}
