"""A signal has ended what a command was waiting for. Every face knows it, without what it was waiting with."""


class Stopped(Exception):  # noqa: N818 -- reads as what happened
    """A signal was received."""
