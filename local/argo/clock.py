"""Ticks for the CronWorkflows: starts each at its time, in its zone, never a second beside a first that still runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from local.argo.player import Player
from local.argo.repeat import repeat
from local.argo.template import Cron
from local.argo.workflow import Workflow, now


class Clock:
    """When each CronWorkflow is due next. `tick` gets the time. `crons` may change; a changed one is read again."""

    def __init__(self, crons: Mapping[str, Cron], submit: Callable[..., Workflow], start: datetime) -> None:
        self._crons, self._submit = crons, submit
        self._next = {cron: cron.after(start) for cron in crons.values()}
        self._last: dict[str, Workflow] = {}

    def tick(self, at: datetime) -> None:
        """Start what has become due; skip a start later than its patience, or a second beside a first."""
        for cron in list(self._crons.values()):
            due = self._next.get(cron)
            if due is None:
                due = self._next[cron] = cron.after(at)
            if due > at:
                continue
            self._next[cron] = cron.after(at)
            last = self._last.get(cron.name)
            if (at - due).total_seconds() <= cron.patience and (last is None or last.ended.is_set()):
                labels = {"workflows.argoproj.io/cron-workflow": cron.name}
                name = f"{cron.name}-{due.timestamp():.0f}"
                self._last[cron.name] = self._submit(cron.template, name=name, labels=labels)


@contextmanager
def tick_crons(player: Player, every: float = 0.5) -> Iterator[None]:
    """Play the player's CronWorkflows until the block ends."""
    clock = Clock(player.objects.crons, player.submit, now())
    with repeat(lambda: clock.tick(now()), "clock", every):
        yield
