"""The end of an HTTP request is the clock's matter, not that of the thread which wakes the reader."""

from __future__ import annotations

import time

import httpx
import pytest

from calendar_client.deadline import Deadline, LateAnswer


def test_deadline__whose_timer_has_not_run_yet_is_over_all_the_same() -> None:
    """On a busy machine a read's own timeout, of the same length, comes before the timer's thread has its turn."""
    deadline = Deadline(0.01)
    deadline.cancel()
    time.sleep(0.02)
    assert deadline.over
    with pytest.raises(LateAnswer):
        deadline.check(httpx.ReadTimeout("the read took too long"))


@pytest.mark.parametrize("seconds", [None, 60.0])
def test_deadline__that_is_still_to_come_ends_nothing(seconds: float | None) -> None:
    with Deadline(seconds) as deadline:
        assert not deadline.over
        deadline.check(httpx.ReadTimeout("the read took too long"))
