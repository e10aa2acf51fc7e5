"""Ticks for the CronWorkflows: starts each at its time, in its zone, never a second beside a first that still runs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from local.player import Player
from local.repeated import repeated
from local.template import Cron, Document, read_cron
from local.workflow import Workflow, now


class Clock:
    """When each CronWorkflow is due next. `tick` is told the time."""

    def __init__(self, crons: Sequence[Cron], submit: Callable[..., Workflow], start: datetime) -> None:
        self._crons, self._submit = crons, submit
        self._next = {cron.name: cron.after(start) for cron in crons}
        self._last: dict[str, Workflow] = {}

    def tick(self, at: datetime) -> None:
        """Start what has become due; what is more than its patience late is left out, like what would run twice."""
        for cron in self._crons:
            due = self._next[cron.name]
            if due > at:
                continue
            self._next[cron.name] = cron.after(at)
            last = self._last.get(cron.name)
            if (at - due).total_seconds() <= cron.patience and (last is None or last.ended.is_set()):
                labels = {"workflows.argoproj.io/cron-workflow": cron.name}
                name = f"{cron.name}-{due.timestamp():.0f}"
                self._last[cron.name] = self._submit(cron.template, name=name, labels=labels)


@contextmanager
def ticking(player: Player, documents: Sequence[Document], every: float = 0.5) -> Iterator[None]:
    """Play the CronWorkflows among the documents until the block ends."""
    clock = Clock([read_cron(each) for each in documents], player.submit, now())
    with repeated(lambda: clock.tick(now()), "clock", every):
        yield
