"""The last lines that this process printed, for the ledger of a run that fails. Called by the pod's door.

print ─▶ stdout, stderr ─▶ the pod's log      as ever
              └──────────▶ LastLines          200 of them; a run that fails writes them down (`ledger/run_log.py`)
"""

from __future__ import annotations

import sys
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

from ledger.run_log import BYTES, LINES

if TYPE_CHECKING:
    from collections.abc import Iterator


class LastLines:
    """A window on what was printed."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=LINES)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._lines))

    def add(self, line: str) -> None:
        self._lines.append(line[-BYTES:])


class Tee:
    """A stream that also keeps its lines. What is not writing is the stream's own."""

    def __init__(self, stream: TextIO, lines: LastLines) -> None:
        self._stream, self._kept, self._begun = stream, lines, ""

    def write(self, text: str) -> int:
        *whole, rest = (self._begun + text).split("\n")
        for line in whole:
            self._kept.add(line)
        self._begun = rest[-BYTES:]
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever the stream has
        return getattr(self._stream, name)


@contextmanager
def recording() -> Iterator[LastLines]:
    """Keep the last lines of stdout and stderr while the block lasts."""
    lines, before = LastLines(), (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = (cast("TextIO", Tee(stream, lines)) for stream in before)
    try:
        yield lines
    finally:
        sys.stdout, sys.stderr = before
