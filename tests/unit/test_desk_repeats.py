"""The same request a second time: who waits, what is forgotten, what is refused."""

from __future__ import annotations

import threading

import pytest

from service.desk_api.repeats import Repeats
from service.desk_api.verbs import Answer
from service.problem import Problem


def test_repeats__a_second_one_waits_for_the_first() -> None:
    repeats, began, go, done = Repeats(), threading.Event(), threading.Event(), list[str]()

    def slow() -> Answer:
        began.set()
        assert go.wait(10)
        done.append("once")
        return Answer(0)

    threads = [threading.Thread(target=repeats.once, args=("kim", "k", "hold", slow)) for _ in range(3)]
    for each in threads:
        each.start()
    assert began.wait(10)
    go.set()
    for each in threads:
        each.join(10)
    assert done == ["once"]


def test_repeats__forget_after_a_day_and_beyond_their_number() -> None:
    now = [0.0]
    repeats, done = Repeats(lambda: now[0]), list[int]()

    def act() -> Answer:
        done.append(1)
        return Answer(0)

    for number in range(2_001):
        repeats.once("kim", f"k{number}", "hold", act)
    repeats.once("kim", "k0", "hold", act)  # the oldest one had to go
    assert len(done) == 2_002
    now[0] = 86_401.0
    assert repeats.once("kim", "k2000", "hold", act) == (Answer(0), False)


def test_repeats__refuse_a_key_of_another_request() -> None:
    repeats = Repeats()
    repeats.once("kim", "k", "hold", lambda: Answer(0))
    with pytest.raises(Problem, match="take a new one"):
        repeats.once("kim", "k", "free", lambda: Answer(0))
