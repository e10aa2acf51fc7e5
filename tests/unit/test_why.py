"""Why a base date is not here, and what happens next: facts in, one `FeedDay` out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

import business_day
from feeds.fx import FX
from ledger.absence import Facts, RequestFacts, Stuck
from ledger.acceptance import Acceptance
from ledger.control import Control
from ledger.desk import DeskRun, Lock
from operate.desk.desk import Band, FeedDay, State, Why
from operate.desk.facts import DayFacts
from operate.desk.why import why
from sample_feeds.bulletin import BULLETIN
from sample_feeds.latest import LATEST
from steps.watch.absence import due

FRIDAY, SATURDAY = date(2026, 10, 30), date(2026, 10, 31)
TARGET = business_day.calendar("TARGET")


def at(hour: int, minute: int = 0) -> datetime:
    return datetime.combine(FRIDAY, time(hour, minute), due(FX, FRIDAY).tzinfo)


NOON, ORDERED, LATE = at(12), at(16, 10), at(17, 27)
SENT = RequestFacts("sent", sent_at=at(16, 5), new_at=at(16, 5), seq=1)
DEFERRED = replace(SENT, retry_at=at(16, 31), retry_reason="nothing newer than 10-29", tries=3)
WHOLE = RequestFacts("complete", count=29, settled=29, complete_at=at(16, 6), answered_at=at(16, 5), seq=1)
HELD = Control(held_at=at(15), held_by="kim", held_reason="maintenance")
BLOCKED = Control(blocked_at=at(15), blocked_code=65, blocked_stage="sub", blocked_reason="bad rows")
RUN = DeskRun(7, "fx", "relay", "fx-relay-1", "RUNNING", None, None, None, at(16, 9), None, at(16, 11))
LOCK = Lock("fx", "relay", "fx-relay-1", at(16, 9), 4711, "app", "report tool", None, None)


def day(now: datetime, *requests: RequestFacts, control: Control | None = None, **more: object) -> FeedDay:
    facts = Facts(requests, control=control or Control())
    return why(DayFacts(FRIDAY, facts, **more), FX, TARGET, now)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "state", "code", "coming"),
    [
        (day(NOON), State.EXPECTED, "expected", "next-order"),
        (day(ORDERED), State.WAITING, "not-ordered", "next-due"),  # F12: the cron of 16:05 did not run
        (day(LATE), State.ABSENT, "no-request", "next-nothing"),
        (day(ORDERED, RequestFacts("new", new_at=at(16, 5))), State.WAITING, "unsent", "next-due"),
        (day(ORDERED, SENT, swept_at=at(16, 9)), State.WAITING, "unanswered", "next-sweep"),
        (day(ORDERED, SENT, swept_at=at(15)), State.WAITING, "unanswered", "next-no-sweep"),
        (day(ORDERED, SENT, runs=[RUN]), State.RUNNING, "running", "next-run"),
        (day(ORDERED, SENT, runs=[RUN], locks=[LOCK]), State.RUNNING, "running-blocked", "next-run"),
        (day(LATE, SENT, runs=[RUN]), State.ABSENT, "unanswered", "next-run"),
        (day(LATE, SENT, runs=[RUN], locks=[LOCK]), State.ABSENT, "running-blocked", "next-run"),
        (day(ORDERED, DEFERRED), State.WAITING, "deferred", "next-retry"),  # F11
        (day(LATE, DEFERRED), State.ABSENT, "deferred", "next-retry"),
        (day(ORDERED, SENT, control=Control(wait_until=at(18))), State.WAITING, "quota", "next-retry"),
        (day(ORDERED, replace(WHOLE, status="answered", settled=3)), State.WAITING, "not-loaded", "next-no-sweep"),
        (day(ORDERED, RequestFacts("refused", reason="no")), State.ABSENT, "refused", "next-nothing"),
        (day(LATE, RequestFacts("empty", reason="holiday")), State.ABSENT, "empty", "next-nothing"),
        (day(LATE, replace(WHOLE, quarantined=29)), State.ABSENT, "quarantined", "next-nothing"),
        (day(NOON, control=HELD), State.HELD, "held", "next-person"),
        (day(LATE, control=HELD), State.ABSENT, "held", "next-person"),
        (day(NOON, control=BLOCKED), State.BLOCKED, "blocked", "next-person"),
        (day(LATE, SENT, control=BLOCKED), State.BLOCKED, "blocked", "next-person"),
        (day(ORDERED, WHOLE), State.ARRIVED, "arrived", None),
        (day(LATE, WHOLE, control=HELD), State.ARRIVED, "arrived", None),
        (day(LATE, replace(WHOLE, complete_at=at(17, 20))), State.ARRIVED, "arrived-late", None),
        (day(LATE, replace(WHOLE, quarantined=2)), State.ARRIVED, "arrived-quarantined", None),
    ],
)
def test_why__one_state_one_reason_and_what_comes_next(
    found: FeedDay, state: State, code: str, coming: str | None
) -> None:
    assert (found.state, found.why.code, found.next.code if found.next else None) == (state, code, coming)


def test_why__an_absent_day_says_how_late_and_one_before_its_due_time_does_not() -> None:
    assert day(LATE, SENT).why.parameters["late_minutes"] == 27
    assert "late_minutes" not in day(ORDERED, SENT).why.parameters
    assert "late_minutes" not in day(ORDERED, RequestFacts("refused")).why.parameters


def test_why__a_deferred_request_names_the_time_of_the_next_try_and_the_partners_words() -> None:
    found = day(LATE, DEFERRED)
    assert found.why.parameters == {
        "until": at(16, 31),
        "words": "nothing newer than 10-29",
        "tries": 3,
        "late_minutes": 27,
    }
    assert found.next_at == LATE  # its time has come: within a minute
    assert day(ORDERED, DEFERRED).next_at == at(16, 31)


def test_why__the_next_sweep_comes_a_minute_after_the_last() -> None:
    assert day(ORDERED, SENT, swept_at=at(16, 9) + timedelta(seconds=30)).next_at == at(16, 10) + timedelta(seconds=30)


def test_why__a_lock_names_the_session_that_holds_it_and_not_what_it_ran() -> None:
    assert day(ORDERED, SENT, runs=[RUN], locks=[LOCK]).why.parameters == {
        "run": "fx-relay-1",
        "role": "app",
        "application": "report tool",
        "pid": 4711,
        "at": at(16, 9),
    }


def test_why__an_accepted_day_is_over_whatever_came() -> None:
    accepted = Acceptance(FRIDAY, "kim", "holiday in Frankfurt", 7, None, at(18))
    found = why(DayFacts(FRIDAY, Facts([SENT], accepted=accepted)), FX, TARGET, at(19))
    assert (found.state, found.band, found.why.parameters["by"]) == (State.ACCEPTED, Band.OVER, "kim")


def test_why__a_closed_day_is_named_unless_somebody_requested_it() -> None:
    closed = why(DayFacts(SATURDAY), FX, TARGET, NOON)
    assert (closed.state, closed.why) == (State.CLOSED, Why("closed", {"closure": "토요일 (Saturday)"}))
    assert closed.due_at is None
    forced = why(DayFacts(SATURDAY, Facts([SENT])), FX, TARGET, LATE)
    assert forced.state is State.WAITING


def test_why__a_calendar_that_cannot_tell_is_no_guess() -> None:
    away = Why("calendar-unknown", {"words": "away"})
    assert why(DayFacts(FRIDAY), FX, away, NOON).state is State.UNKNOWN
    assert why(DayFacts(FRIDAY, Facts([WHOLE])), FX, away, LATE).state is State.ARRIVED
    beyond = TARGET.covers[1] + timedelta(days=1)
    found = why(DayFacts(beyond), FX, TARGET, NOON)
    assert (found.state, found.why.code) == (State.UNKNOWN, "uncovered")


def test_why__what_says_no_base_date_is_not_watched() -> None:
    never = why(DayFacts(FRIDAY), LATEST, business_day.calendar(LATEST.calendar), LATE.astimezone(UTC))
    assert (never.state, never.why.code) == (State.EXPECTED, "not-watched")
    came = DayFacts(FRIDAY, last_arrival_at=LATE)
    assert why(came, LATEST, business_day.calendar(LATEST.calendar), LATE).why.code == "arrived-undated"


def test_why__what_is_not_watched_is_held_and_blocked_all_the_same() -> None:
    for control, state in ((HELD, State.HELD), (BLOCKED, State.BLOCKED)):
        facts = DayFacts(FRIDAY, Facts(control=control))
        assert why(facts, LATEST, business_day.calendar(LATEST.calendar), NOON).state is state


def test_why__an_outside_publishers_rows_in_its_table_are_here() -> None:
    here = DayFacts(FRIDAY, Facts(in_table=True), came_at=at(16, 40))
    found = why(here, BULLETIN, TARGET, LATE)
    assert (found.state, found.arrived_at) == (State.ARRIVED, at(16, 40))


def test_why__a_dead_run_whose_lease_nobody_took() -> None:
    facts = Facts([SENT], stuck=Stuck("sub", "fx-sub-1", at(16)))
    found = why(DayFacts(FRIDAY, facts), FX, TARGET, LATE)
    assert (found.why.code, found.why.parameters["run"]) == ("stuck-lease", "fx-sub-1")


def test_why__a_rerun_makes_an_arrival_neither_late_nor_undone() -> None:
    again = replace(SENT, seq=2, sent_at=at(17, 20))
    found = day(LATE, again, WHOLE)
    assert (found.state, found.seq, found.arrived_at, found.loaded) == (State.ARRIVED, 2, at(16, 6), 29)


def test_why__rows_in_quarantine_need_a_person_though_the_day_is_here() -> None:
    found = day(LATE, replace(WHOLE, quarantined=2))
    assert (found.band, found.loaded, found.quarantined, found.verbs[0]) == (Band.ACT, 27, 2, "redrive")
