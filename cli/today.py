"""`feedfall today`: tonight as a table in three bands: what needs a person, what is under way, what is over."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cli import show
from cli.desk_options import Lang, day_json, leave, said
from cli.options import Json, OneDatabase, load_feeds
from operate.desk.desk import BANDS, Band, FeedDay, State
from operate.desk.read import read
from operate.desk.why import locked
from operate.desk.words import band_word, clock, columns, desk_zone, state_word, verb_word

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from operate.desk.desk import Desk

COLUMNS = ("state", "feed", "base date", "due", "why", "next", "rows", "verbs")
#: So many names of a state that is over fit on its line.
NAMES = 12


def today(*, lang: Lang = "en", database: OneDatabase = None, as_json: Json = False) -> None:
    """Show tonight: what needs a person, what is under way, and what is over."""
    feeds = load_feeds(None, database)
    found = read(feeds.usable)
    if as_json:
        show.as_json({**vars(found), "days": [day_json(each, lang) for each in found.days]})
    else:
        _show(found, lang)
    leave(found, feeds)


def _show(desk: Desk, lang: str) -> None:
    show.say(f"{clock(desk.taken_at, desk_zone())} · {_counts(desk.days, lang)}")
    for band in (Band.ACT, Band.OPEN):
        days = sorted((each for each in desk.days if each.band is band), key=_urgency)
        show.say(f"\n{band_word(band, lang)} ({len(days)})")
        show.table(columns(COLUMNS, lang), [_line(each, lang) for each in days], empty="-")
    for lock in desk.locks:
        show.say(f"{lock.feed}: {said(locked(lock), lang)}")
    show.say(f"\n{band_word(Band.OVER, lang)} ({sum(each.band is Band.OVER for each in desk.days)})")
    for line in _over(desk.days, lang):
        show.say(line)


def _counts(days: Sequence[FeedDay], lang: str) -> str:
    """`absent 2 · waiting 1 · arrived 178`: the states that there are, the gravest first."""
    counts = Counter(each.state for each in days)
    return " · ".join(f"{state_word(state, lang)} {counts[state]}" for state in State if counts[state]) or "-"


def _urgency(each: FeedDay) -> tuple[object, ...]:
    """The gravest state first, then what is or was due first."""
    return (list(State).index(each.state), each.due_at is None, each.due_at or each.base_date, each.feed)


def _line(each: FeedDay, lang: str) -> tuple[object, ...]:
    zone = desk_zone()
    due = clock(each.due_at, zone) if each.due_at else ""
    verbs = ", ".join(verb_word(verb, lang) for verb in each.verbs)
    where = (state_word(each.state, lang), each.feed, each.base_date, due)
    return (*where, said(each.why, lang), said(each.next, lang), each.loaded, verbs)


def _over(days: Sequence[FeedDay], lang: str) -> Iterator[str]:
    """One line a state: the names, and how many more."""
    for state in (state for state in State if BANDS[state] is Band.OVER):
        names = sorted(
            f"{each.feed} {each.base_date}" for each in days if each.state is state and each.band is Band.OVER
        )
        if names:
            more = f" +{len(names) - NAMES}" if len(names) > NAMES else ""
            yield f"{state_word(state, lang)} {len(names)}: {', '.join(names[:NAMES])}{more}"
