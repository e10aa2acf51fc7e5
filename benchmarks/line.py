"""One line of a table: seconds, best and median, and beside them whether the aim is met."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def line(name: str, seconds: Sequence[float], target: float | None = None) -> str:
    row = f"{name:44}{min(seconds):>8.2f} s{median(seconds):>8.2f} s"
    return row if target is None else f"{row}   {verdict(median(seconds), target, ' s')}"


def verdict(value: float, target: float, unit: str) -> str:
    return f"{'ok' if value <= target else 'MISSED'}: at most {target:g}{unit}"


def at_least(value: float, target: float) -> str:
    return f"{'ok' if value >= target else 'MISSED'}: at least {target:g}"
