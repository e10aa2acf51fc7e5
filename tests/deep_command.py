"""`feedfall verify --deep`, as a person runs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from cli.__main__ import app

if TYPE_CHECKING:
    from bank import Bank


def deep(bank: Bank, feed: str = "fx") -> dict[str, Any]:
    done = CliRunner().invoke(app, ["verify", feed, "--deep", "--json"], env=bank.environ)
    assert done.stdout, done.exception
    found: dict[str, Any] = json.loads(done.stdout)
    assert (done.exception is None) == (found["broken"] == []), done.exception
    return found
