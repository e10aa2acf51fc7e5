"""Business days: a whole process that asks one question, and a loop of questions beside looking into a set."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median
from typing import TYPE_CHECKING

import business_day
from benchmarks import pod
from benchmarks.line import at_least, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

ONE_QUESTION, OF_A_SET = 60.0, 0.2
QUESTION = "from datetime import date; import business_day; business_day.calendar('{}').{}"
QUESTIONS = {
    "is_business_day": "is_business_day(date(2026, 9, 24))",
    "offset by 30": "offset(date(2026, 9, 24), 30)",
    "version": "version",
}
FIRST, DAYS = date(2019, 1, 1), 3_287
"""Nine years."""


@dataclass
class Days:
    """Seconds of whole processes; seconds of the nine years asked once in turn: by a set, anew, and again."""

    bare: list[float] = field(default_factory=list)
    cold: dict[str, list[float]] = field(default_factory=dict)
    set: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)

    def over_bare(self, question: str) -> float:
        return median(self.cold[question]) - median(self.bare)

    def ratio(self, seconds: Sequence[float]) -> float:
        """How fast beside the set: 1 is as fast."""
        return median(self.set) / median(seconds)


def measure(repetitions: int) -> Days:
    found = Days()
    for name, question in QUESTIONS.items():
        pod.run("-c", QUESTION.format("BANK", question))  # writes the .pyc files that an image ships
        found.cold[name] = []
    for _ in range(repetitions):
        found.bare.append(pod.run("-c", "pass").seconds)
        for name, question in QUESTIONS.items():
            found.cold[name].append(pod.run("-c", QUESTION.format("BANK", question)).seconds)
    asked = [FIRST + timedelta(days=n) for n in range(DAYS)]
    for _ in range(10 * repetitions):
        calendar = business_day.calendar("BANK")
        opens = set(business_day.calendar("BANK").days(asked[0], asked[-1]))
        found.set.append(looking(asked, opens))
        found.first.append(asking(asked, calendar.is_business_day))
        found.again.append(asking(asked, calendar.is_business_day))
    return found


def looking(asked: Sequence[date], opens: Container[date]) -> float:
    started = time.perf_counter()
    for day in asked:
        day in opens  # noqa: B015 -- the floor: nothing but the look
    return time.perf_counter() - started


def asking(asked: Sequence[date], is_business_day: Callable[[date], bool]) -> float:
    started = time.perf_counter()
    for day in asked:
        is_business_day(day)
    return time.perf_counter() - started


def table(found: Days) -> str:
    """Business days: processes of one question over bare Python; a loop beside `day in set`."""
    over = {name: found.over_bare(name) for name in QUESTIONS}
    processes = [
        f"{f'a process: {name}':44}{'':10}{1000 * seconds:>7.1f} ms   {verdict(1000 * seconds, ONE_QUESTION, ' ms')}"
        for name, seconds in over.items()
    ]
    again, first = found.ratio(found.again), found.ratio(found.first)
    return "\n".join(
        [
            f"\n{'Business days, over bare Python':44}{'':10}{'median':>10}",
            *processes,
            f"{'is_business_day in a loop, of a set':44}{'':10}{again:>10.2f}   {at_least(again, OF_A_SET)}",
            f"{'… each day for the first time':44}{'':10}{first:>10.2f}",
        ]
    )
