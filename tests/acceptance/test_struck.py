"""A sample of `make proof`: pods struck at their calls to the outside, and the end as if nothing had happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proof.matrix import faultless, play, trials

if TYPE_CHECKING:
    from proof.scene import Stage

#: The whole matrix has some 4,000 points; these are spread over every scene and fault, always the same.
EVERY = 211
#: What the matrix has found once: each point, and what stood there.
FOUND = (
    "relay:Producer.produce#6:before:SIGSTOP",  # fenced by its successor, its last flush raised: the feed was blocked
    "relay:Producer.begin_transaction#1:after:SIGSTOP",  # so did the rollback on a session that was ended
    "relay:Producer.commit_transaction#1:before:broker cut",  # the next call to the coordinator never returned
    "sub:pg lease.take#1:after:SIGSTOP",  # the lease's row stayed locked: no run could take over for two minutes
    "pub:pg request.order#1:after:SIGSTOP",  # likewise the requests' rows
)


def test_struck__a_sample_of_points_ends_like_the_run_without_faults(stage: Stage) -> None:
    every = trials(stage, faultless(stage))
    found = [trial for trial in every if trial.point in FOUND]
    assert len(found) == len(FOUND)
    verdicts = list(play(stage, [*found, *every[::EVERY]]))
    for verdict in verdicts:
        print(verdict.told(), end="")
    assert [verdict.trial.point for verdict in verdicts if verdict.differences] == []
    assert [verdict.trial.point for verdict in verdicts[: len(FOUND)] if verdict.waited] == []
