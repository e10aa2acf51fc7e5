"""From a feed that does not come to a page: our /metrics, a real Prometheus, a real Alertmanager, and its webhook.

Debian's packages prometheus and prometheus-alertmanager. No Grafana is there: each panel's query is run, the picture is
not seen.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from bank import ROOT, Bank, as_role, eventually
from ledger.rights import Roles
from local.servers.process import Processes, free_port
from workflows import alerts, dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("prometheus-alertmanager")),
    reason="needs Prometheus: apt-get install prometheus prometheus-alertmanager",
)
WITHIN = 150.0
"""Seconds from the first scrape to the webhook; the rule itself waits for one minute."""


@dataclass
class Pages:
    """What the Alertmanager sent."""

    port: int
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def of(self, name: str) -> list[dict[str, Any]]:
        return [each for body in self.bodies for each in body["alerts"] if each["labels"]["alertname"] == name]


@pytest.fixture
def pages() -> Iterator[Pages]:
    """A receiver of webhooks on this machine."""
    received = Pages(0)

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        received.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield received
        server.shutdown()


@dataclass(frozen=True)
class Watch:
    """A Prometheus that scrapes a desk, and an Alertmanager behind it."""

    port: int

    def ask(self, path: str, **words: object) -> Any:  # noqa: ANN401 -- as Prometheus answers
        answer = httpx.get(f"http://127.0.0.1:{self.port}/api/v1/{path}", params=words, timeout=10)
        assert answer.status_code == 200, (words, answer.text)
        return answer.json()["data"]

    def numbers(self, query: str) -> list[tuple[dict[str, str], float]]:
        return [(each["metric"], float(each["value"][1])) for each in self.ask("query", query=query)["result"]]


@contextmanager
def watching(bank: Bank, pages: Pages, folder: Path) -> Iterator[Watch]:
    """All of it on this machine's own address, ended with the block."""
    desk, prometheus, alertmanager = free_port(), free_port(), free_port()
    write(folder / "alertmanager.yml", notified(pages.port))
    write(folder / "prometheus.yml", scraped(desk, alertmanager))
    environ = {**os.environ, **bank.environ, "DATABASE_URL": as_role(bank.url, Roles().reader)}
    environ |= {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    commands = (
        [sys.executable, str(ROOT / "tests/serve_desk_metrics.py"), str(desk), "fx"],
        [
            "prometheus-alertmanager",
            f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/alerts",
            f"--web.listen-address=127.0.0.1:{alertmanager}",
            "--cluster.listen-address=",
        ],
        [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/series",
            f"--web.listen-address=127.0.0.1:{prometheus}",
        ],
    )
    with Processes() as processes:
        for number, command in enumerate(commands):
            processes.start(command, env=environ, log=folder / f"{number}.log")
        eventually(lambda: answers(prometheus), 30)
        yield Watch(prometheus)


def write(file: Path, document: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump(document), encoding="utf-8")


def notified(port: int) -> dict[str, Any]:
    return {
        "route": {"receiver": "desk", "group_wait": "1s", "group_interval": "1s", "group_by": ["alertname", "feed"]},
        "receivers": [{"name": "desk", "webhook_configs": [{"url": f"http://127.0.0.1:{port}/"}]}],
    }


def scraped(desk: int, alertmanager: int) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
        "rule_files": [str(ROOT / "monitoring/rules.yaml")],
        "scrape_configs": [{"job_name": "feedfall", "static_configs": [{"targets": [f"127.0.0.1:{desk}"]}]}],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
    }


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/-/ready", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def absent(bank: Bank) -> Bank:
    """fx was expected on each business day of a week, and never came; a sweep has just ended."""
    bank.rows("INSERT INTO feedfall.watched (feed, since) VALUES ('fx', now() - interval '8 days')")
    bank.rows(
        "INSERT INTO feedfall.run (feed, stage, uid, name, status, code, started_at, ended_at) VALUES"
        " ('fx', 'relay', 'u', 'fx-relay-1', 'FAILED', 1, now() - interval '3 min', now() - interval '2 min')"
    )
    bank.rows(
        "INSERT INTO feedfall.sweep (ended_at, run, good_at, good_run) SELECT now(), id, now(), id FROM feedfall.run"
    )
    bank.rows("INSERT INTO feedfall.journal (who, verb, feed, reason) VALUES ('kim', 'hold', 'fx', 'x')")
    return bank


def test_absence__reaches_the_webhook_and_every_panel_has_an_answer(absent: Bank, pages: Pages, tmp_path: Path) -> None:
    with watching(absent, pages, tmp_path) as watch:
        eventually(lambda: bool(watch.numbers("feedfall_runs_total")), 30)
        assert watch.numbers('feedfall_feed_state{state="absent"}')[0][1] == 1
        for panel in dashboard.PANELS:
            for query in panel.queries:
                shown = query.replace("$feed", ".*")
                watch.ask("query", query=shown)
                watch.ask("query_range", query=shown, start=time.time() - 60, end=time.time(), step=5)
        [(_, place)] = watch.numbers(dashboard.state_numbers().replace("$feed", ".*"))
        assert dashboard.STATES[int(place) - 1][0] == "absent"
        loaded = [rule for group in watch.ask("rules")["groups"] for rule in group["rules"]]
        assert {rule["name"] for rule in loaded if rule["health"] == "ok"} == {each.name for each in alerts.ALERTS}
        eventually(lambda: bool(pages.of("FeedfallAbsent")), WITHIN)
        page = pages.of("FeedfallAbsent")[0]
        assert (page["status"], page["labels"]["feed"], page["labels"]["severity"]) == ("firing", "fx", "critical")
        assert page["annotations"]["board_url"] == f"{alerts.BOARD}/feeds/fx"
        assert not pages.of("FeedfallBlocked")
        assert not pages.of("FeedfallDatabaseAway")
