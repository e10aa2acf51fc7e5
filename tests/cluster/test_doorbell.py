"""A message lands, a pod starts, the rows are there: how soon, how often, and what must not ring."""

from __future__ import annotations

import json
import time
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
from confluent_kafka import Producer

from cluster.world import LARGE, NAMESPACE, Cluster, Partner, spread, until

if TYPE_CHECKING:
    from local.partner import Ecb

SINGLES = 20


def row(day: date, currency: str = "USD") -> dict[str, str]:
    return {"base_date": day.isoformat(), "currency": currency, "rate": "1.1"}


def look(connection: psycopg.Connection, day: date) -> tuple[str, float] | None:
    """The run that loaded a row, and when it opened the ledger."""
    return connection.execute(
        "SELECT r.name, extract(epoch FROM r.started_at)::float8"
        " FROM fx_rate f JOIN feedfall.run r ON r.id = f._run WHERE f.base_date = %s",
        [day],
    ).fetchone()


def test_message__becomes_a_row_within_seconds(cluster: Cluster, publisher: Partner, figure: list) -> None:
    parts: dict[str, list[float]] = {name: [] for name in ("Workflow", "pod", "ledger opened", "row", "whole")}
    with psycopg.connect(cluster.bank.url, autocommit=True) as connection:
        for number in range(SINGLES):
            cluster.quiet()
            before, pods = set(cluster.workflows_seen.at), set(cluster.pods_seen.at)
            day = date(1950, 1, 1) + timedelta(days=number)
            began = publisher.answer("fx", [row(day)])
            name, opened = until(str(day), partial(look, connection, day), 60, every=0.01)
            seen = time.time()
            pod = next(each for each in cluster.pods_seen.names(f"{name}-") if each not in pods)
            assert name not in before
            made, placed = cluster.workflows_seen.at[name], cluster.pods_seen.at[pod]
            for part, value in zip(
                parts, (made - began, placed - made, opened - placed, seen - opened, seen - began), strict=True
            ):
                parts[part].append(value)
    figure.append((f"message → committed row, {SINGLES} single messages", spread(parts.pop("whole"))))
    figure.extend((f"  … {part}", spread(values)) for part, values in parts.items())
    assert cluster.bank.broken("fx") == []


def test_aborted_transaction__does_not_ring(cluster: Cluster, publisher: Partner, figure: list) -> None:
    before = set(cluster.workflows_seen.names("fx-sub-"))
    publisher.answer("fx", [row(date(1951, 1, 1))], commit=False)
    time.sleep(8)
    rang = [name for name in cluster.workflows_seen.names("fx-sub-") if name not in before and "epoch" not in name]
    assert rang == []
    publisher.answer("fx", [row(date(1951, 1, 2))])
    until(
        "the next committed one rings",
        lambda: cluster.bank.rows("SELECT 1 FROM fx_rate WHERE base_date = '1951-01-02'"),
        30,
    )
    assert cluster.bank.rows("SELECT 1 FROM fx_rate WHERE base_date = '1951-01-01'") == []
    figure.append(("an aborted transaction on the bell topic", "does not ring (8 s), the next committed one does"))


def test_response_of_5000_rows__is_one_run(cluster: Cluster, publisher: Partner, figure: list) -> None:
    began = time.time()
    publisher.answer("fx", [row(date(1960, 1, 1) + timedelta(days=number)) for number in range(5000)])
    count = "SELECT count(*) FROM fx_rate WHERE base_date BETWEEN '1960-01-01' AND '1974-01-01'"
    until("5,000 rows", lambda: cluster.bank.value(count) == 5000, 60)
    took = time.time() - began
    time.sleep(3)
    cluster.quiet()
    loading = [run for run in cluster.runs("fx", since=began) if run[2].get("read")]
    figure.append(("a response of 5,000 rows", f"{len(loading)} run, {took:.1f} s"))
    assert len(loading) == 1


def test_backfill__is_a_handful_of_runs(cluster: Cluster, ecb: Ecb, figure: list) -> None:
    began = time.time()
    pub = cluster.submit("fx-pub", **{"from": "2025-01-02", "to": "2025-12-23"})
    assert cluster.finished(pub) == "Succeeded"
    ordered = int(cluster.result(pub)["ordered"])
    open_ = "SELECT count(*) FROM feedfall.request WHERE ordered AND status = 'complete'"
    until("every request is complete", lambda: cluster.bank.value(open_) >= ordered, 120)
    took = time.time() - began
    cluster.quiet()
    counts = {stage: len(cluster.runs("fx", stage, since=began)) for stage in ("relay", "sub")}
    figure.append(
        (f"a backfill of {ordered} dates", f"{counts['relay']} relay and {counts['sub']} sub runs, {took:.0f} s")
    )
    assert ordered >= 248
    assert sum(counts.values()) <= 10
    assert cluster.bank.broken("fx") == []


def test_burst_of_5000_outside_messages__is_a_few_runs(cluster: Cluster, figure: list) -> None:
    began = time.time()
    rows = [{"symbol": f"S{number}", "price": "1.5", "volume": number, "note": None} for number in range(5000)]
    for start in range(0, 5000, 500):
        cluster.bank.respond("tick", rows[start : start + 500])
        time.sleep(0.5)
    until("every row", lambda: cluster.bank.value("SELECT count(*) FROM tick") == 5000, 180)
    took = time.time() - began
    time.sleep(10)
    cluster.quiet(180)
    runs = cluster.runs("tick", since=began)
    idle = [run for run in runs if run[1] == "BUSY" or not run[2].get("read")]
    figure.append(
        ("5,000 messages of an outside publisher", f"{len(runs)} runs, {len(idle)} of them busy or empty, {took:.0f} s")
    )
    assert cluster.bank.broken("tick") == []
    assert len(runs) <= 15


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("not JSON", b"<xml/>"),
        ("not UTF-8", b"\xff\xfe\x00"),
        ("empty", b""),
        ("null", None),
        ("1 MB", b"x" * 2**20),
        ("12 MB", b"x" * 12 * 2**20),
        ("JSON", b'{"symbol": "after", "base_date": "2026-01-02", "price": "1"}'),  # and nothing before it blocks
    ],
)
def test_outside_message__rings_whatever_its_body(
    cluster: Cluster, figure: list, form: str, value: bytes | None
) -> None:
    known = set(cluster.workflows_seen.names("latest-sub-"))
    producer = Producer({"bootstrap.servers": cluster.bank.kafka, "message.max.bytes": LARGE})
    producer.produce(cluster.bank.topic("latest"), value, b"key", partition=0)
    assert producer.flush(30) == 0
    began = time.time()

    def rung() -> list[str]:
        return [
            name for name in cluster.workflows_seen.names("latest-sub-") if name not in known and "epoch" not in name
        ]

    until(f"{form} rings", rung, 20)
    figure.append((f"an outside message, {form}", f"rings after {time.time() - began:.1f} s"))


def test_doorbell__costs_so_much_memory(cluster: Cluster, figure: list) -> None:
    node = cluster.items("nodes")[0]["metadata"]["name"]
    stats = json.loads(cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary").stdout)
    used = {"eventbus": 0.0, "feedfall-eventsource": 0.0, "feedfall-sensor": 0.0}
    for pod in stats["pods"]:
        for name in used:
            if pod["podRef"]["namespace"] == NAMESPACE and pod["podRef"]["name"].startswith(name):
                used[name] += pod.get("memory", {}).get("workingSetBytes", 0) / 2**20
    figure.append(
        ("memory of the doorbell's pods, all feeds", ", ".join(f"{name} {size:.0f} MiB" for name, size in used.items()))
    )
    assert 0 < sum(used.values()) < 1024


def test_rerun__as_the_ui_asks_for_it(cluster: Cluster, figure: list) -> None:
    """Argo Server's submit call with a real token: the form's parameters, enum included; a day is done once."""
    token = cluster.kubectl("create", "token", "feedfall-sweep").stdout.strip()
    spec = cluster.get("workflowtemplate", "fx-pub")["spec"]
    assert all(each["description"] for each in spec["arguments"]["parameters"])
    with (
        cluster.argo_server() as url,
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client,
    ):

        def submit(*parameters: str) -> httpx.Response:
            options = {"parameters": list(parameters)}
            body = {"resourceKind": "WorkflowTemplate", "resourceName": "fx-pub", "submitOptions": options}
            return client.post(f"/api/v1/workflows/{NAMESPACE}/submit", json={"namespace": NAMESPACE, **body})

        statuses = []
        for _ in range(2):
            answer = submit("base-date=2026-10-28")
            assert answer.status_code == 200, answer.text
            name = answer.json()["metadata"]["name"]
            assert cluster.finished(name) == "Succeeded"
            statuses.append(cluster.result(name)["status"])
        assert statuses == ["SUCCEEDED", "ALREADY_DONE"]
        # Argo's server lets through what the form would not offer (v4.0.7): our own door refuses it.
        wrong = submit("policy=Whatever").json()["metadata"]["name"]
        assert cluster.finished(wrong) == "Failed"
        assert "none of DoNotOrder" in cluster.result(wrong)["reason"]
        assert client.get(f"/api/v1/workflows/{NAMESPACE}").status_code == 403  # this account may only start
    figure.append(("rerun by Argo Server's API with a real token", "SUCCEEDED, then ALREADY_DONE"))


def test_bare_pod__is_the_floor(cluster: Cluster, figure: list) -> None:
    """The same template with nothing in it but a print: what Argo and Kubernetes take by themselves."""
    spec = cluster.get("workflowtemplate", "fx-sub")["spec"]
    spec["templates"][0]["container"]["command"] = ["python", "-c", "import time; print('AT', time.time())"]
    spec["templates"][0]["container"]["args"] = []
    meta = {"generateName": "bare-", "labels": {"feedfall/stage": "bare"}}
    body = json.dumps({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": meta, "spec": spec})
    took = []
    for _ in range(10):
        cluster.quiet()
        name = cluster.kubectl("create", "-f", "-", "-o", "name", text=body).stdout.strip().partition("/")[2]
        assert cluster.finished(name) == "Succeeded"
        log = cluster.kubectl("logs", "-l", f"workflows.argoproj.io/workflow={name}", "-c", "main", "--tail=-1").stdout
        (at,) = [float(line.split()[1]) for line in log.splitlines() if line.startswith("AT ")]
        took.append(at - cluster.workflows_seen.at[name])
    figure.append(("a bare Python pod, Workflow → its first line", spread(took)))
