"""`feedfall replay`, as an operator types it, and the rows that it reads again."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from typer.testing import CliRunner

from bank import Bank
from cli.__main__ import app

DAY, NEXT = date(2026, 10, 29), date(2026, 10, 30)

WHY = ("--reason=lost by hand", "--by=kim")


def rates(day: date, currencies: str = "USD JPY KRW", rate: str = "1.1") -> list[dict[str, str]]:
    return [{"base_date": day.isoformat(), "currency": each, "rate": rate} for each in currencies.split()]


def replay(bank: Bank, feed: str, *words: str, code: int = 0) -> dict[str, Any]:
    """The command's JSON."""
    done = CliRunner().invoke(app, ["replay", feed, *WHY, *words, "--json"], env=bank.environ, catch_exceptions=True)
    assert done.exit_code == code, (done.stdout, done.exception)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(bank: Bank, feed: str, *words: str) -> str:
    """The failure's own words."""
    done = CliRunner().invoke(app, ["replay", feed, *WHY, *words], env=bank.environ)
    assert done.exception is not None
    return str(done.exception)


def everything(bank: Bank, table: str = "fx_rate") -> list[tuple[Any, ...]]:
    return bank.rows(f"SELECT to_jsonb(t) FROM {table} t ORDER BY _source, _offset, _row")


def whole(bank: Bank, last: int, first: int = 0, feed: str = "fx") -> str:
    return f"--offsets={bank.topic(feed)}/0:{first}-{last}"
