"""`feedfall submit` and `kill` by the service: the very tests of the commands, from outside the cluster's network."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from acceptance.test_submit import (
    test_submit__a_feed_held_while_it_waits_is_not_done,  # noqa: F401
    test_submit__a_held_feed_is_not_done_and_the_same_order_goes_on_when_it_is_free,  # noqa: F401
    test_submit__a_holiday_is_not_done,  # noqa: F401
    test_submit__a_policy_moves_the_order_and_its_key,  # noqa: F401
    test_submit__a_rerun_asks_with_the_next_seq_and_a_reason,  # noqa: F401
    test_submit__a_scripts_log_and_result_are_the_commands,  # noqa: F401
    test_submit__a_silent_partner_is_82,  # noqa: F401
    test_submit__a_wrong_order_is_78,  # noqa: F401
    test_submit__busy_is_not_done,  # noqa: F401
    test_submit__ends_when_the_rows_are_there_and_again_is_done_already,  # noqa: F401
    test_submit__killed_in_mid_wait_its_order_goes_on_and_is_found_again,  # noqa: F401
    test_submit__the_pods_own_code_is_the_commands,  # noqa: F401
    test_submit__without_wait_only_starts,  # noqa: F401
)
from acceptance.test_submit_interrupted import (
    test_kill__stops_what_runs_of_a_feed_for_good,  # noqa: F401
    test_submit__a_signal_stops_the_run_and_waits_for_it,  # noqa: F401
    test_submit__a_signal_while_the_answer_is_awaited_leaves_the_order,  # noqa: F401
    test_submit__killed_its_run_goes_on_and_is_found_again,  # noqa: F401
)
from desk_service import OPERATOR, desk_service
from submit_command import DAY, SECONDS, Desk, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bank import Bank
    from local.world import World


class RemoteDesk(Desk):
    """The same world; its commands have an address and a token, and nothing else."""

    def play(self, **options: Any) -> World:  # noqa: ANN401 -- those of `play_on`
        here = super().play(**options)
        self.service = self._stack.enter_context(desk_service(self.bank.environment(**here.environ), self.folder))
        (self.folder / "tokens" / "kim").rename(self.folder / "tokens" / "ci")
        return here

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        return self.service.start(*words, token=OPERATOR, **environ)


@pytest.fixture
def desk(bank: Bank, tmp_path: Path) -> Iterator[Desk]:
    """As every test of `submit` has it, but from outside."""
    bank.create("fx")
    with ExitStack() as stack:
        yield RemoteDesk(bank, tmp_path, stack)


def test_resume__stops_no_run_that_no_submit_has_started(desk: RemoteDesk) -> None:
    desk.play(bells=False)
    desk.done("fx-pub", **{"base-date": DAY})
    desk.ecb.delay = SECONDS
    name = desk.here.player.submit("fx-relay").name  # a doorbell's
    until(lambda: desk.ecb.requests)
    resume = {"feed": "fx", "stage": "relay", "run": name, "followed": True, "stop": True}
    answer = desk.service.call("POST", "/api/acts/submit", json={"name": "fx", "wait": True, "resume": resume})
    assert (answer.json()["exit"], [each.phase for each in desk.runs("fx-relay")]) == (143, ["Running"])
