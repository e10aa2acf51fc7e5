"""The committed tables are what `holidays` says today, byte for byte. Run as a script, this file writes them anew.

python tests/manifests/test_calendar_tables.py
"""

from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path

import holidays
import pytest

TABLES = Path(__file__).parents[2] / "business_day" / "tables"
LAST = 2028
KOREAN = range(2018, LAST + 1)
#: What a Korean name says of the kind of day.
KINDS = {
    "대체 휴일": "SUBSTITUTE",
    "임시공휴일": "TEMPORARY",
    "국군의 날": "TEMPORARY",  # 2024 alone
    "선거일": "ELECTION",
    "근로자의날": "BANK",  # closed by the Labour Day act; a public holiday, by another name, from 2026
    "연말휴장일": "MARKET",
}

# Names follow the locale of whoever runs this, unless a language is pinned.


def bank() -> str:
    """Public holidays, and until 2025 the Workers' Day of private employers, on which banks close."""
    names, english = (
        holidays.country_holidays("KR", categories=("public", "bank"), years=KOREAN, language=language)
        for language in ("ko", "en_US")
    )
    return table("Asia/Seoul", KOREAN, "country_holidays('KR'), public and bank", names, english)


def krx() -> str:
    return table("Asia/Seoul", KOREAN, "financial_holidays('KRX')", *year_ends())


def fx() -> str:
    """Seoul's interbank market closes with the exchange at the year's end, while banks are open."""
    source = "financial_holidays('KRX'), whose year-end closure interbank FX shares"
    return table("Asia/Seoul", KOREAN, source, *year_ends())


def us() -> str:
    """The Federal Reserve's: a holiday on a Saturday closes no other day, unlike for the federal government."""
    years = range(2000, LAST + 1)
    days = holidays.financial_holidays("FED", years=years, language="en_US")
    return table("America/New_York", years, "financial_holidays('FED'): Fedwire's closing days", days, {}, "BANK")


def target() -> str:
    years = range(1999, LAST + 1)
    days = holidays.financial_holidays("ECB", years=years, language="en_US")
    source = "financial_holidays('ECB'): the closing days of TARGET, today T2"
    return table("Europe/Brussels", years, source, days, {}, "BANK")


def year_ends() -> tuple[Mapping[date, str], Mapping[date, str]]:
    names, english = (
        holidays.financial_holidays("KRX", years=KOREAN, language=language) for language in ("ko", "en_US")
    )
    return names, english


def table(
    zone: str, years: range, source: str, names: Mapping[date, str], english: Mapping[date, str], kind: str = ""
) -> str:
    """Weekday closures: a weekend is closed by itself."""
    head = [
        f"# zone: {zone}",
        f"# covers: {years[0]}-01-01..{years[-1]}-12-31",
        f"# source: holidays {version('holidays')}, {source}",
        "# generated: python tests/manifests/test_calendar_tables.py; do not edit, a decision of today is an override",
        "date,kind,name,english",
    ]
    lines = [
        f"{day},{kind or kind_of(name)},{name.replace(',', '')},{english.get(day, '').replace(',', '')}"  # not quoted
        for day, name in sorted(names.items())
        if day.weekday() < 5
    ]
    return "\n".join([*head, *lines]) + "\n"


def kind_of(name: str) -> str:
    return next((kind for word, kind in KINDS.items() if word in name), "PUBLIC")


GENERATED = {"BANK": bank, "KRX": krx, "FX": fx, "US": us, "TARGET": target}


@pytest.mark.parametrize("name", GENERATED)
def test_table__is_what_its_source_says(name: str) -> None:
    assert (TABLES / f"{name}.csv").read_bytes() == GENERATED[name]().encode()


def test_tables__all_have_a_generator() -> None:
    assert {path.stem for path in TABLES.iterdir()} == set(GENERATED)


if __name__ == "__main__":
    for name, generate in GENERATED.items():
        (TABLES / f"{name}.csv").write_bytes(generate().encode())
