"""What is done again and again in a thread, and the newest answer of a question: whoever shows it waits for nobody."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

T = TypeVar("T")


@contextmanager
def repeating(act: Callable[[], None], every: float, name: str) -> Iterator[None]:
    """Do it now, and again every so many seconds, until the block ends; the first time is not waited for.

    `act` raises nothing: what fails is its own to say.
    """
    stopped = threading.Event()

    def until_stopped() -> None:
        while True:
            act()
            if stopped.wait(every):
                return

    thread = threading.Thread(target=until_stopped, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(every)


class Repeated(Generic[T]):
    """Asks every so many seconds. What fails leaves the answer before it, and is said once."""

    def __init__(self, ask: Callable[[], T], every: float, name: str) -> None:
        self._ask, self._every, self._name = ask, every, name
        self._said = ""
        self.newest: T | None = None

    def follow(self) -> AbstractContextManager[None]:
        """Ask now, and again until the block ends; the first answer is not waited for."""
        return repeating(self._try, self._every, self._name)

    def _try(self) -> None:
        try:
            self.newest = self._ask()
            words = ""
        except Exception as error:  # noqa: BLE001 -- whatever it is, the next question must come
            words = f"{self._name}: not read: {type(error).__name__}: {error}"
        if words != self._said:
            print(words or f"{self._name}: read again", flush=True)  # noqa: T201 -- the pod's log
        self._said = words
