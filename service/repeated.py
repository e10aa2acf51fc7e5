"""The newest of what a question gives, asked again and again in a thread: whoever shows it waits for nobody."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class Repeated(Generic[T]):
    """Asks every so many seconds. What fails leaves the answer before it, and is said once."""

    def __init__(self, ask: Callable[[], T], every: float, name: str) -> None:
        self._ask, self._every, self._name = ask, every, name
        self._stopped = threading.Event()
        self._said = ""
        self.newest: T | None = None

    @contextmanager
    def follow(self) -> Iterator[None]:
        """Ask now, and again until the block ends; the first answer is not waited for."""
        thread = threading.Thread(target=self._until_stopped, name=self._name, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join(self._every)

    def _until_stopped(self) -> None:
        while True:
            self._try()
            if self._stopped.wait(self._every):
                return

    def _try(self) -> None:
        try:
            self.newest = self._ask()
            words = ""
        except Exception as error:  # noqa: BLE001 -- whatever it is, the next question must come
            words = f"{self._name}: not read: {type(error).__name__}: {error}"
        if words != self._said:
            print(words or f"{self._name}: read again", flush=True)  # noqa: T201 -- the pod's log
        self._said = words
