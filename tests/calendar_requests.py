"""Requests to the calendar service's application, without a server and without a database."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx

import business_day
from ledger.errors import Transient
from service.calendar_api.routes import api
from service.metrics import Metrics
from service.snapshot import Current, Snapshot
from service.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from ledger.database import Connection

TOKEN, OTHER = "a-token-of-thirty-two-characters", "another-token-that-is-long-enough"
KIM, LEE = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"Bearer {OTHER}"}
OVERRIDES = "/v1/calendars/BANK/overrides"
CLOSED = {"day": "2026-12-24", "is_open": False, "reason": "임시공휴일", "evidence": "관보 20412호"}
REACHED = 503, "database"
NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)


class TablesAlone(Current):
    """The calendars as their tables are. A request that comes as far as a transaction is answered 503."""

    def __init__(self) -> None:
        super().__init__("postgresql://nobody@127.0.0.1:1/none", business_day.read_own(""))

    def snapshot(self, limit: float = 0.0) -> Snapshot:  # noqa: ARG002 -- Current's own
        return Snapshot((), business_day.read_own(""))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        raise Transient("no database here")
        yield


@dataclass
class Client:
    """Requests to the application, without a server."""

    app: ASGIApp

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def post(self, path: str, **sent: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
        return self.request("POST", path, **sent)

    def delete(self, path: str, **sent: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
        return self.request("DELETE", path, **sent)

    def request(self, method: str, path: str, **sent: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("10.0.0.7", 40_000))
            async with httpx.AsyncClient(transport=transport, base_url="http://calendar") as http:
                return await http.request(method, path, **sent)

        return asyncio.run(answer())


def holders(folder: Path) -> Path:
    """kim may touch every calendar from today on; lee KRX and FX, also in the past."""
    (folder / "kim").write_text(f"{TOKEN}\n")
    (folder / "lee").write_text(f"{OTHER}\ncalendars = KRX, FX\npast = yes\n")
    return folder


def client_of(folder: Path) -> Client:
    """A client of the application with these holders."""
    current = TablesAlone()
    return Client(api(current, Tokens(folder), Metrics(current), now=lambda: NOW))


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].removeprefix("urn:feedfall:")
