"""How answers look: aligned tables, times of FEEDFALL_ZONE (Seoul) with their zone, and the same as JSON.

Whatever a command prints goes through this module: a character that a terminal would obey is shown as its escape.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.seat import SEAT
from ledger import printable
from operate.desk.words import desk_zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], lines: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print lines under their columns; numbers to the right. `empty` says what no line means."""
    rows = [list(line) for line in lines]
    if not rows:
        say(empty)
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        numeric = all(isinstance(row[number], int | float) or row[number] is None for row in rows)
        shown.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(word(each) for each in row))
    screen = console()
    with screen.capture() as captured:
        screen.print(shown)
    _put("\n".join(line.rstrip() for line in captured.get().splitlines()))


def say(text: object, *, err: bool = False) -> None:
    """Print text of one or more lines; on standard error if `err`."""
    _put(printable.escaped(str(text), keep="\n\t"), err=err)


def styled(*lines: Text) -> None:
    """Print lines with their colours; a line with a dangerous character is shown without."""
    if SEAT.get():
        return say("\n".join(line.plain for line in lines))
    screen = console()
    for line in lines:
        harmless = printable.escaped(line.plain)
        screen.print(line if harmless == line.plain else Text(harmless), soft_wrap=True)
    return None


def as_json(answer: object) -> None:
    """Print the answer for a program."""
    text = json.dumps(answer, default=_plain, ensure_ascii=False, indent=2)
    _put(printable.escaped_json(text))


def _put(text: str, *, err: bool = False) -> None:
    """To the terminal; to who asks, where the service runs the command."""
    if seat := SEAT.get():
        seat.put(text, err=err)
    else:
        print(text, file=sys.stderr if err else sys.stdout)


def word(value: object) -> str:  # noqa: PLR0911 -- one return a kind
    """One cell, on one line."""
    match value:
        case None:
            return ""
        case datetime():
            return f"{value.astimezone(desk_zone()):%Y-%m-%d %H:%M:%S %Z}"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}"
        case bytes() | memoryview():
            return printable.escaped(bytes(value).decode(errors="backslashreplace")[:200])
        case _:
            return printable.escaped(str(value))


def console() -> Console:
    """Colours only on a terminal; as wide as the lines are where there is none."""
    terminal = sys.stdout.isatty() and not SEAT.get()
    width, colours = (None, None) if terminal else (160, False)
    return Console(highlight=False, markup=False, width=width, soft_wrap=False, force_terminal=colours)


def _plain(value: Any) -> object:  # noqa: ANN401 -- whatever an answer holds
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.astimezone(desk_zone()).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode(errors="backslashreplace")
    return str(value)
