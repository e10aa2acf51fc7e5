"""When a feed is absent, and what is found instead: values in, a finding out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pytest

import business_day
from feeds.fx import FX
from ledger.absence import Facts, RequestFacts, Stuck
from ledger.control import Control
from sample_feeds.bulletin import BULLETIN
from sample_feeds.latest import LATEST
from sample_feeds.tick import TICK
from steps.watch.absence import Finding, Situation, due, expected, finding, watchable

if TYPE_CHECKING:
    from catalog import Feed

FRIDAY, MONDAY = date(2026, 10, 30), date(2026, 11, 2)
TARGET = business_day.calendar("TARGET")


def brussels(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), due(FX, day).tzinfo)


NOW = brussels(FRIDAY, 17, 30)
BEFORE = brussels(date(2026, 10, 29), 20)


# -- what is expected --


@pytest.mark.parametrize(
    ("since", "now", "days"),
    [
        (BEFORE, brussels(FRIDAY, 16, 59), []),  # an open day, before its due time
        (BEFORE, brussels(FRIDAY, 17), [FRIDAY]),
        (BEFORE, brussels(date(2026, 10, 31), 12), [FRIDAY]),  # a Saturday expects nothing of its own
        (BEFORE, brussels(date(2026, 11, 1), 23), [FRIDAY]),  # nor a Sunday
        (BEFORE, brussels(MONDAY, 18), [FRIDAY, MONDAY]),
        (brussels(FRIDAY, 17), brussels(MONDAY, 12), []),  # due before anybody watched
        (brussels(date(2025, 12, 24), 18), brussels(date(2025, 12, 26), 18), []),  # Christmas, and the day after
        (brussels(date(2026, 4, 2), 18), brussels(date(2026, 4, 6), 18), []),  # Good Friday to Easter Monday
        (brussels(date(2026, 1, 1), 0), NOW, [NOW.date() - timedelta(days=back) for back in (4, 3, 2, 1, 0)]),  # a week
    ],
)
def test_expected__is_each_open_day_once_it_is_due(since: datetime, now: datetime, days: list[date]) -> None:
    assert [(each.day, each.due) for each in expected(FX, TARGET, since, now)] == [(day, due(FX, day)) for day in days]


def test_expected__an_override_wins_both_ways() -> None:
    closed, opened = (
        business_day.Override("TARGET", day, is_open=is_open, reason="decided since")
        for day, is_open in ((FRIDAY, False), (date(2026, 10, 31), True))
    )
    decided = business_day.calendar("TARGET", [closed, opened])
    now = brussels(date(2026, 10, 31), 18)
    assert [each.day for each in expected(FX, decided, BEFORE, now)] == [date(2026, 10, 31)]


def test_expected__a_day_that_the_table_lacks_is_no_guess() -> None:
    (_, last), now = TARGET.covers, brussels(TARGET.covers[1] + timedelta(days=2), 18)
    found = list(expected(FX, TARGET, now - timedelta(days=4), now))
    beyond = [each for each in found if each.uncovered]
    assert [each.day for each in beyond] == [last + timedelta(days=1), last + timedelta(days=2)]
    assert all(f"to {last}" in (each.uncovered or "") for each in beyond)
    assert all(each.day <= last for each in found if not each.uncovered)


@pytest.mark.parametrize(
    ("order", "due_at", "moment"),
    [
        (time(16, 5), time(17, 0), time(17, 0)),
        (None, time(17, 0), time(17, 10)),  # asked for at its due time: it needs a while
        (time(16, 55), time(17, 0), time(17, 5)),
        (time(18, 0), time(17, 0), time(18, 10)),  # nobody asks before six
    ],
)
def test_due__is_never_before_the_asking(order: time | None, due_at: time, moment: time) -> None:
    assert due(replace(FX, order=order, due=due_at), FRIDAY) == brussels(FRIDAY, moment.hour, moment.minute)


def test_due__beyond_midnight_belongs_to_the_day_before() -> None:
    late = replace(FX, order=time(23, 55), due=time(23, 58))
    now = brussels(date(2026, 10, 31), 0, 5)
    assert [each.day for each in expected(late, TARGET, now - timedelta(minutes=1), now)] == [FRIDAY]


def test_due__keeps_the_wall_clock_when_summer_time_ends() -> None:
    assert due(FX, date(2026, 10, 23)).astimezone(UTC).hour == 15
    assert due(FX, date(2026, 10, 26)).astimezone(UTC).hour == 16


# -- what is found --

FIVE_PAST = brussels(FRIDAY, 16, 5)
NEW = RequestFacts("new", new_at=FIVE_PAST)
SENT = RequestFacts("sent", new_at=FIVE_PAST, sent_at=FIVE_PAST)
ANSWERED = RequestFacts("answered", count=120, sent_at=FIVE_PAST, answered_at=FIVE_PAST)
COMPLETE = RequestFacts("complete", count=120, settled=120, answered_at=FIVE_PAST)
HELD = Control(held_at=NOW, held_by="kim", held_reason="late close")
BLOCKED = Control(blocked_at=NOW, blocked_code=65, blocked_stage="sub", blocked_reason="too many bad rows")
WAITING = Control(wait_until=NOW + timedelta(hours=1))
STUCK = Stuck("sub", "fx-sub-abc", FIVE_PAST)


@pytest.mark.parametrize(
    ("facts", "found", "said"),
    [
        (Facts(), Situation.NO_REQUEST, "no request sent"),
        (Facts([NEW]), Situation.UNSENT, "recorded at 2026-10-30 16:05 CET and never sent"),
        (Facts([SENT]), Situation.UNANSWERED, "sent at 2026-10-30 16:05 CET and is not answered"),
        (Facts([ANSWERED]), Situation.NOT_LOADED, "answered at 2026-10-30 16:05 CET, and 0 of 120 rows are loaded"),
        (Facts([replace(ANSWERED, settled=60)]), Situation.NOT_LOADED, "60 of 120 rows are loaded"),
        (Facts([replace(ANSWERED, settled=60)], in_table=True), Situation.NOT_LOADED, "60 of 120"),  # half is not there
        (Facts([RequestFacts("empty", "closed today")]), Situation.EMPTY, "closed today"),
        (Facts([RequestFacts("refused", "bad key")]), Situation.REFUSED, "bad key"),
        (Facts([replace(COMPLETE, quarantined=120)]), Situation.QUARANTINED, "120 rows are in quarantine"),
        (Facts([replace(COMPLETE, count=0, settled=0)]), Situation.EMPTY, "no rows"),
        # what stands in the way goes first, and how far it came is said too
        (Facts(control=HELD), Situation.HELD, "held by kim: late close"),
        (Facts([SENT], control=HELD), Situation.HELD, "sent at 2026-10-30 16:05 CET"),
        (Facts([ANSWERED], control=BLOCKED), Situation.BLOCKED, "too many bad rows"),
        (Facts([SENT], control=WAITING), Situation.WAITING, "quota is used up"),
        (Facts([ANSWERED], stuck=STUCK), Situation.STUCK, "fx-sub-abc holds the lease of sub beyond its end at 2026"),
        (Facts([ANSWERED], control=HELD, stuck=STUCK), Situation.HELD, "0 of 120"),
        (Facts(stuck=STUCK), Situation.NO_REQUEST, "no request sent"),  # an old lease did not keep anybody from asking
        # an answer without rows is one, whoever holds the feed since
        (Facts([RequestFacts("refused", "bad key")], control=HELD), Situation.REFUSED, "bad key"),
        # the newest try counts
        (Facts([SENT, RequestFacts("refused", "bad key")]), Situation.UNANSWERED, "not answered"),
        # a stranger's rows in quarantine are no answer to our own request
        (Facts([SENT], quarantined=3), Situation.UNANSWERED, "not answered"),
    ],
)
def test_finding__says_what_is_there_instead(facts: Facts, found: Situation, said: str) -> None:
    told = finding(FX, facts, NOW)
    assert (told and told.situation, said in (told.words if told else "")) == (found, True), told


@pytest.mark.parametrize(
    "facts",
    [
        Facts([COMPLETE]),
        Facts([replace(COMPLETE, quarantined=2)]),  # two bad rows of 120 are two bad rows
        Facts([SENT, COMPLETE]),  # asked again while the first answer is there
        Facts([replace(COMPLETE, quarantined=120)], in_table=True),  # mended and loaded since
        Facts([COMPLETE], control=HELD),
    ],
)
def test_finding__rows_that_are_there_are_not_absent(facts: Facts) -> None:
    assert finding(FX, facts, NOW) is None


# -- an outside publisher --

OUTSIDE = RequestFacts("answered", settled=31)


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        (Facts([OUTSIDE]), None),  # it does not say how many rows it has
        (Facts([replace(OUTSIDE, quarantined=31)]), Situation.QUARANTINED),
        (Facts(in_table=True), None),  # its messages name no answer, and its rows are there
        (Facts([SENT], in_table=True), None),  # it answers without saying to what
        (Facts(in_table=False), Situation.NO_REQUEST),
        (Facts(quarantined=1), Situation.QUARANTINED),  # what came today could not be read
        (Facts([SENT], quarantined=1), Situation.QUARANTINED),
        (Facts(stuck=STUCK), Situation.STUCK),
    ],
)
def test_finding__of_an_outside_publisher(facts: Facts, found: Situation | None) -> None:
    told = finding(BULLETIN, facts, NOW)
    assert (told.situation if told else None) == found


@pytest.mark.parametrize(
    ("feed", "facts", "can"),
    [
        (FX, Facts(), True),  # we ask, so we know
        (BULLETIN, Facts(in_table=False), True),  # its key begins with the base date
        (LATEST, Facts(), False),
        (LATEST, Facts(dated=True), True),  # an answer has said its base date before
        (TICK, Facts(), False),
    ],
)
def test_watchable__needs_somebody_who_knows_the_base_date(feed: Feed, facts: Facts, *, can: bool) -> None:
    assert watchable(feed, facts) is can


def test_found__has_a_word_for_every_hindrance() -> None:
    """The gate's verdicts are findings by the same names."""
    for control in (HELD, BLOCKED, WAITING):
        assert isinstance(finding(FX, Facts(control=control), NOW), Finding)
