"""The shared business-day service as `deploy/calendar` runs it, and pubs that decide by what it was told."""

from __future__ import annotations

import json
import secrets
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from bank import ROOT
from calendar_service import certificate
from cluster import deployment, world
from cluster.lane import Figures, Lane
from cluster.world import Cluster, Partner, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "feedfall-calendar"
PODS = f"app.kubernetes.io/name={NAME}"
OVERLAY = str(ROOT / "tests/cluster/calendar")
HOLDER, TOKEN = "kim", secrets.token_urlsafe(24)
MINE = {"Authorization": f"Bearer {TOKEN}"}
TARGET = "/v1/calendars/TARGET"
DAYS = ("2026-11-03", "2026-11-04", "2026-11-05")
"""Open days of TARGET, one a test, that no other test orders."""


@dataclass
class Service:
    """The service in its cluster, beside a lane that orders."""

    lane: Lane
    role: str
    took: float
    ca: Path

    @property
    def cluster(self) -> Cluster:
        return self.lane.cluster

    def says(self, day: str) -> set[bool]:
        """Is this a business day? What each pod says by itself."""
        found = set()
        for pod in self.cluster.items("pods", PODS):
            door = f"/api/v1/namespaces/{world.NAMESPACE}/pods/https:{pod['metadata']['name']}:8080/proxy"
            answer = json.loads(self.cluster.kubectl("get", "--raw", f"{door}{TARGET}/days/{day}").stdout)
            found.add(answer["is_business_day"])
        return found

    def scale(self, pods: int) -> None:
        self.cluster.kubectl("scale", "deployment", NAME, f"--replicas={pods}")
        until(f"{pods} pods", lambda: len(self.cluster.items("pods", PODS)) == pods, 90)
        self.cluster.kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=120s")


@pytest.fixture(scope="module")
def service(cluster: Cluster, publisher: Partner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Its image, its role with the printed rights, its three Secrets, its Deployment; all gone at the end."""
    lane = Lane(cluster, publisher, "holiday")
    deployment.image("e2e", ROOT, "calendar")
    role, password = cluster.bank.url.rpartition("/")[2] + "_calendar", secrets.token_hex(16)
    grant(lane, role, password)
    secret(cluster, NAME, {"database-url": as_role(cluster, role, password)})
    cert, key = certificate(tmp_path_factory.mktemp("tls"), f"{NAME}.{world.NAMESPACE}.svc")
    secret(cluster, f"{NAME}-tls", {"tls.crt": cert.read_text(), "tls.key": key.read_text()})
    secret(cluster, f"{NAME}-tokens", {HOLDER: f"{TOKEN}\npast = yes\n"})
    began = time.time()
    try:
        cluster.kubectl("apply", "-k", OVERLAY)
        cluster.kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=120s")
        yield Service(lane, role, time.time() - began, cert)
    finally:
        cluster.kubectl("delete", "-k", OVERLAY, "--ignore-not-found")
        cluster.kubectl("delete", "secret", NAME, f"{NAME}-tls", f"{NAME}-tokens")
        cluster.bank.rows(f"DROP OWNED BY {role}")
        cluster.bank.rows(f"DROP ROLE {role}")


def grant(lane: Lane, role: str, password: str) -> None:
    """A role with what `feedfall schema --calendar-role` prints for it, and no more."""
    printed = lane.feedfall("schema", "--calendar-role", role).split(";\n")
    grants = [each for each in printed if each.endswith(f'TO "{role}"')]
    assert grants
    for statement in (f"CREATE ROLE {role} LOGIN PASSWORD '{password}'", *grants):
        lane.cluster.bank.rows(statement)


def as_role(cluster: Cluster, role: str, password: str) -> str:
    """The database as pods reach it, with this role's login."""
    (own,) = [each for each in cluster.documents("Secret") if each["metadata"]["name"] == "feedfall"]
    url = urlsplit(own["stringData"]["database-url"])
    return url._replace(netloc=f"{role}:{password}@{url.netloc.rpartition('@')[2]}").geturl()


def trusting(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)


def secret(cluster: Cluster, name: str, values: dict[str, str]) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
    cluster.kubectl("apply", "-f", "-", text=json.dumps(body))


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    """Requests from outside the cluster; they go to one of the Service's pods."""
    with (
        service.cluster.forwarded(world.NAMESPACE, f"service/{NAME}", 443) as url,
        httpx.Client(base_url=url.replace("http:", "https:"), timeout=10, verify=trusting(service.ca)) as http,
    ):
        yield http


@pytest.fixture
def elsewhere(cluster: Cluster) -> Iterator[str]:
    """pub of a domain whose calendars have their home elsewhere: the same template, with the Service's address."""
    spec = cluster.get("workflowtemplate", "holiday-pub")["spec"]
    url = {"name": "FEEDFALL_CALENDAR_URL", "value": f"https://{NAME}.{world.NAMESPACE}.svc"}
    ca = {"name": "FEEDFALL_CALENDAR_CA_FILE", "value": "/etc/feedfall/calendar/tls.crt"}
    step = spec["templates"][0]
    step["container"]["env"] += [url, ca]
    certificate_only = {"secretName": f"{NAME}-tls", "items": [{"key": "tls.crt", "path": "tls.crt"}]}
    step.setdefault("volumes", []).append({"name": "calendar-ca", "secret": certificate_only})
    mount = {"name": "calendar-ca", "mountPath": "/etc/feedfall/calendar", "readOnly": True}
    step["container"].setdefault("volumeMounts", []).append(mount)
    name = "elsewhere-pub"
    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate", "metadata": {"name": name}, "spec": spec}
    cluster.kubectl("apply", "-f", "-", text=json.dumps(body))
    yield name
    cluster.kubectl("delete", "workflowtemplate", name)


def declare(client: httpx.Client, day: str) -> str:
    """Close a day of TARGET; gives the calendar's version from then on."""
    closed = {"day": day, "is_open": False, "reason": "임시휴일", "evidence": "관보"}
    answer = client.post(f"{TARGET}/overrides", json=closed, headers=MINE)
    assert answer.status_code == 201, answer.text
    return str(client.get(TARGET).json()["version"])


def withdraw(client: httpx.Client, day: str) -> None:
    answer = client.delete(f"{TARGET}/overrides/{day}", params={"reason": "a test"}, headers=MINE)
    assert answer.status_code == 200, answer.text


def order(service: Service, template: str, day: str) -> tuple[str, str]:
    """How a pub for this day ends: its status, and the calendar that it decided with."""
    name = service.cluster.submit(template, base_date=day)
    assert service.cluster.finished(name) == "Succeeded"
    result = service.cluster.result(name)
    return result["status"], result["calendar"]


def test_service__is_ready_with_the_rights_that_are_printed(
    service: Service, client: httpx.Client, figure: Figures
) -> None:
    pods, bank = service.cluster.items("pods", PODS), service.cluster.bank
    states = [each for pod in pods for each in pod["status"]["containerStatuses"]]
    assert [(each["ready"], each["restartCount"]) for each in states] == [(True, 0)] * 2
    assert client.get("/readyz").text == "ok\n"
    assert bank.value("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", service.role) == 2
    for table in ("fx_rate", "feedfall.run", "feedfall.journal"):
        assert not bank.value("SELECT has_table_privilege(%s, %s, 'SELECT')", service.role, table)
    figure.append(("the calendar service: applied → two pods ready", f"{service.took:.0f} s"))


def test_day__is_not_sent_twice(client: httpx.Client) -> None:
    path = f"{TARGET}/days/20261225"
    asked = client.get(path)
    assert (asked.status_code, asked.json()["is_business_day"]) == (200, False)
    again = client.get(path, headers={"If-None-Match": asked.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_override__needs_a_token_and_is_booked(service: Service, client: httpx.Client, figure: Figures) -> None:
    day, closed = DAYS[0], {"day": DAYS[0], "is_open": False, "reason": "임시휴일", "evidence": "관보"}
    for headers in ({}, {"Authorization": "Bearer nobody-gave-me-this-one"}):
        refused = client.post(f"{TARGET}/overrides", json=closed, headers=headers)
        assert (refused.status_code, refused.headers["Content-Type"]) == (401, "application/problem+json")
    assert journal(service, day) == []
    declare(client, day)
    began = time.time()
    until("every pod knows", lambda: service.says(day) == {False}, 30)
    took = time.time() - began
    withdraw(client, day)
    until("every pod has forgotten", lambda: service.says(day) == {True}, 30)
    assert journal(service, day) == [("declare", HOLDER), ("withdraw", HOLDER)]
    figure.append(("  … a day declared over HTTP → the other pod answers with it too", f"{took:.1f} s"))


def journal(service: Service, day: str) -> list[tuple[str, str]]:
    of_day = "SELECT verb, who FROM feedfall.journal WHERE detail->>'day' = %s ORDER BY id"
    return [(verb, who) for verb, who in service.cluster.bank.rows(of_day, day)]


def test_pub__decides_by_what_was_declared(service: Service, client: httpx.Client, figure: Figures) -> None:
    """Its own database is the calendars' home: nothing is set."""
    day, began = DAYS[1], time.time()
    version = declare(client, day)
    assert order(service, "holiday-pub", day) == ("SKIPPED", version)
    took = time.time() - began
    withdraw(client, day)
    status, later = order(service, "holiday-pub", day)
    assert (status, later == version) == ("SUCCEEDED", False)
    figure.append(("  … a day declared over HTTP → a pub started after it has left", f"SKIPPED, {took:.1f} s"))


def test_pub__whose_calendars_are_elsewhere_decides_from_its_copy(
    service: Service, client: httpx.Client, elsewhere: str, figure: Figures
) -> None:
    """It asks the Service. Then no pod is left, and the day is withdrawn unheard: the copy still says closed."""
    day = DAYS[2]
    version = declare(client, day)
    until("every pod knows", lambda: service.says(day) == {False}, 30)
    assert order(service, elsewhere, day) == ("SKIPPED", version)
    assert service.cluster.bank.rows("SELECT calendar FROM feedfall.calendar_copy") == [("TARGET",)]
    service.scale(0)
    service.lane.feedfall("calendar", "withdraw", "TARGET", day, "--reason", "a test")
    assert order(service, elsewhere, day) == ("SKIPPED", version)
    status, later = order(service, "holiday-pub", day)
    assert (status, later == version) == ("SUCCEEDED", False)
    service.scale(2)
    assert order(service, elsewhere, day) == ("ALREADY_DONE", later)
    figure.append(("  … scaled to 0, a pub whose calendars are there", "decides from its copy; from the service later"))
