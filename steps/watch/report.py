"""Reports what should be here and is not, once, and says so when it has come. A part of the sweep.

`steps.watch.absence` judges, `ledger.absence` stores; this connects the two.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import business_day
from ledger import absence
from ledger.absence import Report
from steps.run import calendars
from steps.run.exits import Failure, Misconfigured
from steps.watch.absence import ARRIVALS, Expected, Situation, began, expected, finding, watchable
from steps.watch.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date, datetime

    from catalog import Feed
    from steps.run.execution import Execution


def watch(execution: Execution, feeds: Sequence[Feed], faults: Faults | None = None) -> Counter[str]:
    """How many absences were reported now, and how many ended. Without `faults` the first one is raised."""
    faults = faults or Faults(execution, raising=True)
    watching = Watching(execution, feeds)
    found: Counter[str] = Counter(absent=0, arrived=0)
    for feed in feeds:
        with faults.turn(feed.name):  # its table, its rights, its calendar: no reason to leave the others alone
            try:
                found["absent"] += sum(watching.report(feed, each) for each in watching.missing(feed))
                found["arrived"] += sum(watching.close(*each) for each in watching.returned(feed))
            except Failure as error:
                _say(f"UNWATCHED {feed.name}: {error}")
                raise
    return found


class Watching:
    """One look at all feeds."""

    def __init__(self, execution: Execution, feeds: Sequence[Feed]) -> None:
        self._connection, self._now, self._execution = execution.connection, execution.now(), execution
        self._since = absence.start_watching(self._connection, [feed.name for feed in feeds], self._now)
        reports = absence.fetch_open(self._connection, (self._now - ARRIVALS).date())
        self._reports = {(each.subject, each.base_date): each for each in reports}
        self._tells = execution.settings.webhook is not None
        self._calendars: dict[str, business_day.Calendar] = {}

    def missing(self, feed: Feed) -> Iterator[Report]:
        """What is due, not here and not yet reported."""
        due = [each for each in self._expected(feed) if (feed.name, each.day) not in self._reports]
        for each in due:
            subject = _calendar(feed)
            if each.uncovered and (subject, each.day) not in self._reports:
                words = f"{each.uncovered}. Feed {feed.name} and others of this calendar are not watched on that day"
                yield Report(subject, each.day, each.due, Situation.UNCOVERED, words, self._now)
        days = {each.day: each for each in due if not each.uncovered}
        for day, facts in self._facts(feed, days):
            found = finding(feed, facts, self._now) if watchable(feed, facts) else None
            if found and not facts.accepted:
                yield Report(feed.name, day, days[day].due, found.situation, found.words, self._now)

    def returned(self, feed: Feed) -> Iterator[tuple[Report, str, str]]:
        """What was reported and is here now, or accepted, with the sentence that says so, and its verb."""
        mine = {day: each for (subject, day), each in self._reports.items() if subject == feed.name}
        for day, facts in self._facts(feed, mine):
            if finding(feed, facts, self._now) is None:
                late = (self._now - mine[day].due_at) // timedelta(minutes=1)
                yield mine[day], f"its rows are here, {late:,} min after {_local(feed, mine[day].due_at)}", "arrived"
            elif facts.accepted:
                yield mine[day], facts.accepted.words, "accepted"
        for (subject, day), each in self._reports.items():
            if subject == _calendar(feed) and self._covers(feed, day):
                yield each, f"calendar {feed.calendar} covers {day} now", "arrived"

    def report(self, feed: Feed, each: Report) -> bool:
        """Report it, once; False when it was reported before."""
        body = self._body("feed.absent", each, each.words) if self._tells else None
        first = absence.report(self._connection, each, body, self._now)
        if first:
            _say(f"ABSENT {each.subject} {each.base_date}, due {_local(feed, each.due_at)}: {each.words}")
        return first

    def close(self, each: Report, words: str, verb: str) -> bool:
        """Report its arrival, or that it is accepted, once; is it an arrival that was not reported before?"""
        body = self._body(f"feed.{verb}", each, words) if self._tells else None
        first = absence.close(self._connection, each, words, body, self._now, verb)
        if first:
            _say(f"{verb.upper()} {each.subject} {each.base_date}: {words}")
        return first and verb == "arrived"

    def _expected(self, feed: Feed) -> list[Expected]:
        try:
            return list(expected(feed, self._calendar(feed), self._since[feed.name], self._now))
        except Misconfigured as error:
            return [Expected(self._now.date(), self._now, str(error))]

    def _covers(self, feed: Feed, day: date) -> bool:
        try:
            self._calendar(feed).closure(day)
        except (business_day.NotCovered, Misconfigured):
            return False
        return True

    def _calendar(self, feed: Feed) -> business_day.Calendar:
        if feed.calendar not in self._calendars:
            self._calendars[feed.calendar] = calendars.open_calendar(self._execution, feed.calendar)
        return self._calendars[feed.calendar]

    def _facts(self, feed: Feed, days: Iterable[date]) -> Iterator[tuple[date, absence.Facts]]:
        begins = {day: began(feed, day) for day in days}
        if begins:
            yield from absence.fetch_facts(self._connection, feed, begins).items()

    def _body(self, kind: str, each: Report, words: str) -> dict[str, Any]:
        """What the webhook says: the form of standardwebhooks.com."""
        about = {
            "domain": self._execution.settings.domain,
            "subject": each.subject,
            "base_date": each.base_date.isoformat(),
            "due_at": each.due_at.isoformat(),
            "found": each.found,
            "words": words,
        }
        return {"type": kind, "timestamp": self._now.isoformat(), "data": about}


def _calendar(feed: Feed) -> str:
    """Under which name a calendar's own fault is reported: once a day, whichever of its feeds is due first."""
    return f"calendar {feed.calendar}"


def _local(feed: Feed, moment: datetime) -> str:
    return f"{moment.astimezone(ZoneInfo(feed.zone)):%H:%M %Z}"


def _say(words: str) -> None:
    """One line, whatever a partner's reason holds."""
    print(" ".join(words.split()), flush=True)  # noqa: T201 -- the pod's log is what operators read
