"""Why a command no longer waits: a signal, the end of its time, the end of a slice of it. Known to every face."""

from __future__ import annotations


class Stopped(Exception):  # noqa: N818 -- reads as what happened
    """A signal was received."""


class Late(Exception):  # noqa: N818 -- reads as what happened
    """The time is over."""


class Paused(Exception):  # noqa: N818 -- likewise
    """The slice of the time is over, not the time: the same is to be done again, from where it stands."""

    progress: object = None
    """How far it has come, as who waits for it knows."""
