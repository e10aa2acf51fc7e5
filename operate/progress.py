"""How far a submission has come: for its RESULT line, and for one that waits in slices and goes on from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(frozen=True)
class Resume:
    """Where a submission stands that waits in slices: with it the next slice goes on, and decides nothing anew."""

    feed: str = ""
    stage: str = "-"
    run: str = "-"
    followed: bool = False
    """A Workflow is followed: a signal stops it."""
    base_date: date | None = None
    seq: int = 1
    until: datetime | None = None
    counts: Mapping[str, str | int] = field(default_factory=dict)
    left: float | None = None
    """Seconds that the whole submission may still take."""
    stop: bool = False


@dataclass
class Progress:
    """What a RESULT line can tell at any moment."""

    feed: str = ""
    stage: str = "-"
    run: str = "-"
    counts: dict[str, object] = field(default_factory=dict)
    followed: bool = False
    base_date: date | None = None
    seq: int = 1
    until: datetime | None = None

    @classmethod
    def of(cls, resume: Resume) -> Progress:
        own = {name: value for name, value in vars(resume).items() if name not in ("stop", "left", "counts")}
        return cls(**own, counts=dict(resume.counts))
