"""One run of a template and its attempts, as `local.argo.player` keeps them and `local.argo.server` shows them."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

from local.argo.template import Template
from local.servers.process import Child


class ApiError(Exception):
    """The player does not do it. `status` as in HTTP: 400 the order is wrong, 404 no such thing, 409 it is there."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def now() -> datetime:
    return datetime.now(UTC)


def format_time(moment: datetime | None) -> str | None:
    """A time as Kubernetes writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


@dataclass
class Attempt:
    """A pod: one process, its log and how it ended."""

    pod: str
    log: Path
    started: datetime = field(default_factory=now)
    finished: datetime | None = None
    status: str = "Running"
    code: str = ""
    message: str = ""
    child: Child | None = None
    index: int = 0
    """Which of the pods that run side by side."""


@dataclass
class Workflow:
    """One run of a template. `shut` says that nothing is tried again, `ended` that all is over."""

    name: str
    template: Template
    parameters: Mapping[str, str]
    labels: Mapping[str, str]
    uid: str = field(default_factory=lambda: str(uuid4()))
    command: Sequence[str] = ()
    environments: Sequence[Mapping[str, str]] = field(default_factory=list, repr=False)
    """One a pod."""
    created: datetime = field(default_factory=now)
    finished: datetime | None = None
    phase: str = "Pending"
    message: str = ""
    shutdown: str = ""
    """`Stop` or `Terminate`, once it was requested."""
    attempts: list[Attempt] = field(default_factory=list)
    shut: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def code(self) -> str:
        """The exit code of the last attempt, of several pods the first that is bad; empty while there is none."""
        codes = [attempt.code for attempt in self.last_attempts()]
        return next((code for code in codes if code != "0"), codes[0] if codes else "")

    def last_attempts(self) -> list[Attempt]:
        """Each pod's."""
        last = {attempt.index: attempt for attempt in list(self.attempts)}
        return [last[index] for index in sorted(last)]


@dataclass(frozen=True)
class Event:
    """What `on_event` receives. `text`: the line, or how it ended."""

    kind: Literal["started", "line", "ended"]
    workflow: Workflow
    text: str = ""
