"""The RESULT line: one line, whatever is in it, that Control-M and people read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank import ended
from steps.run.execution import Outcome
from steps.run.exits import Exit
from steps.run.status import Status


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (Outcome(Status.SUCCEEDED), "RESULT status=SUCCEEDED feed=fx stage=sub run=fx-sub-1 took=3.1s"),
        (
            Outcome(Status.SUCCEEDED, counts={"read": 120, "loaded": 118, "lag": 0}),
            "RESULT status=SUCCEEDED feed=fx stage=sub run=fx-sub-1 read=120 loaded=118 lag=0 took=3.1s",
        ),
        (
            Outcome(Status.FAILED, Exit.CONFIG, 'topic "fx" is gone'),
            r'RESULT status=FAILED feed=fx stage=sub run=fx-sub-1 reason="topic \"fx\" is gone" took=3.1s',
        ),
        (
            Outcome(Status.HELD, reason="김: 점검 중"),
            'RESULT status=HELD feed=fx stage=sub run=fx-sub-1 reason="김: 점검 중" took=3.1s',
        ),
        (
            Outcome(Status.SUCCEEDED, counts={"date": "2026-10-01..2026-10-31"}),
            "RESULT status=SUCCEEDED feed=fx stage=sub run=fx-sub-1 date=2026-10-01..2026-10-31 took=3.1s",
        ),
    ],
)
def test_result__form(outcome: Outcome, line: str) -> None:
    assert outcome.line("fx", "sub", "fx-sub-1", 3.14) == line


@given(st.text(), st.text(min_size=1))
def test_result__is_one_line_and_reads_back(reason: str, feed: str) -> None:
    """Newlines of every alphabet, quotes, and words that look like another RESULT."""
    line = Outcome(Status.FAILED, Exit.DATA, reason).line(feed, "sub", "run", 0.1)
    assert len(line.splitlines()) == 1
    words = ended(65, line, "").words
    assert (words["status"], words["feed"], words.get("reason", "")) == ("FAILED", feed, reason[:500])


def test_result__a_long_reason_is_cut() -> None:
    assert len(Outcome(Status.FAILED, reason="x" * 10_000).line("fx", "sub", "run", 0)) < 600
