"""The committed tables are what `holidays` says today, byte for byte. Run as a script, this file writes them anew.

python tests/manifests/test_calendar_tables.py
"""

from datetime import date
from importlib.metadata import version
from pathlib import Path

import holidays
import pytest

TABLES = Path(__file__).parents[2] / "business_day" / "tables"
FIRST, LAST = date(1999, 1, 1), date(2028, 12, 31)


def target() -> str:
    """TARGET's weekday closures. The language is pinned: without it, names follow the locale of whoever runs this."""
    days = holidays.financial_holidays("ECB", years=range(FIRST.year, LAST.year + 1), language="en_US")
    return table(
        f"holidays {version('holidays')}, financial_holidays('ECB'): the closing days of TARGET, today T2",
        {day: name for day, name in days.items() if day.weekday() < 5},
    )


def table(source: str, closures: dict[date, str]) -> str:
    head = [
        f"# covers: {FIRST}..{LAST}",
        f"# source: {source}",
        "# generated: python tests/manifests/test_calendar_tables.py; do not edit, a decision of today is an override",
        "date,name",
    ]
    return "\n".join([*head, *(f"{day},{name}" for day, name in sorted(closures.items()))]) + "\n"


GENERATED = {"TARGET": target}


@pytest.mark.parametrize("name", GENERATED)
def test_table__is_what_its_source_says(name: str) -> None:
    assert (TABLES / f"{name}.csv").read_bytes() == GENERATED[name]().encode()


def test_tables__all_have_a_generator() -> None:
    assert {path.stem for path in TABLES.iterdir()} == set(GENERATED)


if __name__ == "__main__":
    for name, generate in GENERATED.items():
        (TABLES / f"{name}.csv").write_bytes(generate().encode())
