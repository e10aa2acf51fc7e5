"""The public holidays of Korea by the official gazette, 2018 to 2027: what judges the tables. See the file's head."""

import csv
from datetime import date
from pathlib import Path

FILE = Path(__file__).parent / "oracles" / "holidays-kr.csv"


def gazette() -> dict[date, str]:
    with FILE.open(encoding="utf-8") as file:
        lines = (line for line in file if not line.startswith("#"))
        return {date.fromisoformat(row["date"]): row["name"] for row in csv.DictReader(lines)}
