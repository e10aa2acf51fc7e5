"""The one reader of DATABASE_URL."""

from pathlib import Path

import pytest

from ledger import databases
from ledger.errors import Misconfigured

ROOT = Path(__file__).parents[2]
ROOMS = ("catalog", "cli", "feeds", "ledger", "operate", "scripts", "service", "steps")


def test_url__is_the_one_that_is_set() -> None:
    assert databases.url({"DATABASE_URL": "postgresql://bank/feedfall"}) == "postgresql://bank/feedfall"


@pytest.mark.parametrize("environ", [{}, {"DATABASE_URL": ""}])
def test_url__that_is_not_set_is_one_sentence(environ: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match=r"^not set: DATABASE_URL\. The overrides are there$"):
        databases.url(environ, "The overrides are there")
    assert not databases.is_set(environ)


def test_variable__is_read_in_one_module_alone() -> None:
    files = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))]
    quoted = [file.relative_to(ROOT) for file in files if '"DATABASE_URL"' in file.read_text(encoding="utf-8")]
    assert quoted == [Path("ledger/databases.py")]
