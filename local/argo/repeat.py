"""What goes on beside the player: an act, again and again, until its block ends."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeat(act: Callable[[], object], name: str, every: float) -> Iterator[None]:
    """Do it each `every` seconds in a thread of that name; the block's end waits for the last one."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(every):
            act()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
