"""What the ECB's adapter makes of HTTP's statuses, headers and broken connections."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from catalog.partner import Quota, Refused
from ecb_partner import MONDAY, MONDAY_EVENING, monday, responding, rows, xml
from feeds.partners.ecb_documents import DAILY


@pytest.mark.parametrize("status", [301, 401, 403, 404])
def test_refusal__carries_the_status(status: int) -> None:
    answer = monday(responding(status)).ask(MONDAY)
    assert isinstance(answer, Refused)
    assert answer.reason.startswith(f"{DAILY}: HTTP {status}")


@pytest.mark.parametrize(
    ("header", "at"),
    [
        ("120", MONDAY_EVENING + timedelta(minutes=2)),
        ("Mon, 23 Nov 2026 18:00:00 GMT", datetime(2026, 11, 23, 18, 0, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 18:00:00 -0000", datetime(2026, 11, 23, 18, 0, tzinfo=UTC)),
        ("later", None),
        ("9" * 30, None),
        ("", None),
    ],
)
def test_quota__says_when_to_come_back(header: str, at: datetime | None) -> None:
    assert monday(responding(429, retry_after=header)).ask(MONDAY) == Quota(f"{DAILY}: HTTP 429", at)


@pytest.mark.parametrize("status", [408, 500, 502, 503])
def test_transient_status__raises_and_may_be_asked_again(status: int) -> None:
    answers = iter([httpx.Response(status), httpx.Response(200, content=xml(MONDAY))])
    partner = monday(lambda: next(answers))
    with pytest.raises(httpx.HTTPStatusError):
        partner.ask(MONDAY)
    assert partner.ask(MONDAY) == rows(MONDAY)


def test_broken_connection__raises_and_may_be_asked_again() -> None:
    answers: Iterator[Exception | bytes] = iter([httpx.ReadTimeout("slow"), xml(MONDAY)])
    partner = monday(lambda: respond_or_raise(answers))
    with pytest.raises(httpx.ReadTimeout):
        partner.ask(MONDAY)
    assert partner.ask(MONDAY) == rows(MONDAY)


def respond_or_raise(answers: Iterator[Exception | bytes]) -> httpx.Response:
    answer = next(answers)
    if isinstance(answer, Exception):
        raise answer
    return httpx.Response(200, content=answer)


def test_import__leaves_httpx_out() -> None:
    command = [sys.executable, "-c", "import sys, feeds.partners.ecb; sys.exit('httpx' in sys.modules)"]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
