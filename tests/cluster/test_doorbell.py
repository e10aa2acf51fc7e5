"""A message lands, a pod starts, the rows are there: how soon, how often, and what must not ring. Each alone."""

from __future__ import annotations

import json
import time
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from cluster.lane import Figures, Lane
from cluster.world import Cluster, Partner, spread, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.partners.ecb import Ecb

pytestmark = pytest.mark.usefixtures("calm")

SINGLES = 20
PAUSE = 1.0
"""Seconds after which the pod before is nearly gone: the same for a sub and for a bare pod, which come in turns."""


def row(day: date, currency: str = "USD") -> dict[str, str]:
    return {"base_date": day.isoformat(), "currency": currency, "rate": "1.1"}


@pytest.fixture
def bare(cluster: Cluster) -> Iterator[str]:
    """A template like sub's, with nothing in it but a print: what Argo and Kubernetes take by themselves."""
    spec = cluster.get("workflowtemplate", "fx-sub")["spec"]
    spec["templates"][0]["container"] |= {
        "command": ["python", "-c", "import time; print('AT', time.time())"],
        "args": [],
    }
    spec["podGC"]["deleteDelayDuration"] = "1h"  # its log is read at the end
    spec["ttlStrategy"]["secondsAfterSuccess"] = 3600
    spec["workflowMetadata"]["labels"]["feedfall/stage"] = spec["podMetadata"]["labels"]["feedfall/stage"] = "bare"
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": "bare"},
        "spec": spec,
    }
    cluster.kubectl("apply", "-f", "-", text=json.dumps(body))
    yield "bare"
    cluster.kubectl("delete", "workflowtemplate", "bare")


def test_message__becomes_a_row_within_seconds(
    cluster: Cluster, publisher: Partner, bare: str, figure: Figures
) -> None:
    """Single messages, and between them bare pods: the difference is what feedfall adds."""
    names = ("message → Workflow", "Workflow → pod", "pod → ledger opened", "ledger opened → row", "message → row")
    parts: dict[str, list[float]] = {name: [] for name in (*names, "Workflow → row")}
    with psycopg.connect(cluster.bank.url, autocommit=True) as connection:
        for number in range(SINGLES):
            day = date(1950, 1, 1) + timedelta(days=number)
            began = publisher.answer("fx", [row(day)])
            name, opened = until(str(day), partial(look, connection, day), 90, every=0.01)
            seen = time.time()
            pod = cluster.pods_seen.names(f"{name}-")[0]
            made, placed = cluster.workflows_seen.at[name], cluster.pods_seen.at[pod]
            values = (made - began, placed - made, opened - placed, seen - opened, seen - began, seen - made)
            for part, value in zip(parts, values, strict=True):
                parts[part].append(value)
            time.sleep(PAUSE)
            running(cluster, start(cluster, bare))
            time.sleep(PAUSE)
    cluster.quiet()
    lines = first_lines(cluster)
    assert len(lines) == SINGLES
    figure.append((f"message → committed row, {SINGLES} single messages", spread(parts.pop("message → row"))))
    added = median(parts["Workflow → row"]) - median(lines)
    figure.extend((f"  … {part}", spread(values)) for part, values in parts.items())
    figure.append((f"a Python pod that only prints, Workflow → its line, {SINGLES} in between", spread(lines)))
    figure.append(("  … so much later is the row of a sub (aim: 0.4 s)", f"p50 {added:.2f} s"))
    assert cluster.bank.broken("fx") == []


def look(connection: psycopg.Connection, day: date) -> tuple[str, float] | None:
    """The run that loaded a row, and when it opened the ledger."""
    return connection.execute(
        "SELECT r.name, extract(epoch FROM r.started_at)::float8"
        " FROM fx_rate f JOIN feedfall.run r ON r.id = f._run WHERE f.base_date = %s",
        [day],
    ).fetchone()


def start(cluster: Cluster, template: str) -> str:
    """Create a Workflow as the Sensor does."""
    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"generateName": f"{template}-"}}
    spec = {"workflowTemplateRef": {"name": template}}
    done = cluster.kubectl("create", "-f", "-", "-o", "name", text=json.dumps({**body, "spec": spec}))
    return done.stdout.strip().partition("/")[2]


def running(cluster: Cluster, workflow: str) -> None:
    pods = cluster.pods_seen

    def begun() -> list[str]:
        return [pod for pod in pods.names(f"{workflow}-") if pods.phase[pod] in ("Running", "Succeeded")]

    until(f"the pod of {workflow} runs", begun, 90)


def first_lines(cluster: Cluster) -> list[float]:
    """When each bare pod printed, in seconds after its Workflow was seen."""
    words = ("-l", "feedfall/stage=bare", "-c", "main", "--prefix", "--tail=-1", "--max-log-requests=50")
    took = []
    for line in cluster.kubectl("logs", *words).stdout.splitlines():
        prefix, _, text = line.partition(" ")
        if text.startswith("AT "):
            workflow = prefix.split("/")[1].rpartition("-")[0].rpartition("-")[0]
            took.append(float(text.split()[1]) - cluster.workflows_seen.at[workflow])
    return took


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def test_aborted_transaction__does_not_ring(cluster: Cluster, publisher: Partner, figure: Figures) -> None:
    before = set(cluster.workflows_seen.names("fx-sub-"))
    publisher.answer("fx", [row(date(1951, 1, 1))], commit=False)
    time.sleep(8)
    rang = [name for name in cluster.workflows_seen.names("fx-sub-") if name not in before and "epoch" not in name]
    assert rang == []
    publisher.answer("fx", [row(date(1951, 1, 2))])
    committed = "SELECT 1 FROM fx_rate WHERE base_date = '1951-01-02'"
    until("the next committed one rings", lambda: cluster.bank.rows(committed), 90)
    assert cluster.bank.rows("SELECT 1 FROM fx_rate WHERE base_date = '1951-01-01'") == []
    figure.append(("an aborted transaction on the bell topic", "does not ring (8 s), the next committed one does"))


def test_response_of_5000_rows__is_one_run(cluster: Cluster, publisher: Partner, figure: Figures) -> None:
    began = time.time()
    publisher.answer("fx", [row(date(1960, 1, 1) + timedelta(days=number)) for number in range(5000)])
    count = "SELECT count(*) FROM fx_rate WHERE base_date BETWEEN '1960-01-01' AND '1974-01-01'"
    until("5,000 rows", lambda: cluster.bank.value(count) == 5000, 120)
    took = time.time() - began
    cluster.quiet()
    loading = [run for run in cluster.runs("fx", since=began) if run[2].get("read")]
    figure.append(("a response of 5,000 rows", f"{len(loading)} run, {took:.1f} s"))
    assert len(loading) == 1


def test_backfill__is_a_handful_of_runs(cluster: Cluster, ecb: Ecb, figure: Figures) -> None:
    began = time.time()
    pub = cluster.submit("fx-pub", **{"from": "2025-01-02", "to": "2025-12-23"})
    assert cluster.finished(pub) == "Succeeded"
    ordered = int(cluster.result(pub)["ordered"])
    open_ = "SELECT count(*) FROM feedfall.request WHERE ordered AND status = 'complete'"
    until("every request is complete", lambda: cluster.bank.value(open_) >= ordered, 180)
    took = time.time() - began
    cluster.quiet()
    counts = {stage: len(cluster.runs("fx", stage, since=began)) for stage in ("relay", "sub")}
    figure.append(
        (f"a backfill of {ordered} dates", f"{counts['relay']} relay and {counts['sub']} sub runs, {took:.0f} s")
    )
    assert ordered >= 248
    assert sum(counts.values()) <= 10
    assert cluster.bank.broken("fx") == []


def test_burst_of_5000_outside_messages__is_a_few_runs(cluster: Cluster, figure: Figures) -> None:
    began = time.time()
    rows = [{"symbol": f"B{number}", "price": "1.5", "volume": number, "note": None} for number in range(5000)]
    for first in range(0, 5000, 500):
        cluster.bank.respond("tick", rows[first : first + 500])
        time.sleep(0.5)
    until("every row", lambda: cluster.bank.value("SELECT count(*) FROM tick") == 5000, 240)
    took = time.time() - began
    time.sleep(3)  # longer than a tick
    cluster.quiet(180)
    runs = cluster.runs("tick", since=began)
    idle = [run for run in runs if run[1] == "BUSY" or not run[2].get("read")]
    figure.append(
        ("5,000 messages of an outside publisher", f"{len(runs)} runs, {len(idle)} of them busy or empty, {took:.0f} s")
    )
    assert cluster.bank.broken("tick") == []
    assert len(runs) <= 15


def test_message__that_lands_while_a_run_leaves_is_loaded_at_once(fx: Lane, figure: Figures) -> None:
    waits = []
    for number in range(10):
        began = time.time()
        fx.send(15_000 + number)
        until("the row", lambda number=number: fx.loaded(15_000 + number), 90, every=0.01)
        waits.append(time.time() - began)
        time.sleep(number * 0.02)  # from the very commit to when the pod is gone
    figure.append(("10 messages, each while the last one's run leaves", spread(waits) + f", max {max(waits):.1f} s"))
    assert fx.cluster.bank.broken("fx") == []


def test_two_feeds__at_once(fx: Lane, tick: Lane, figure: Figures) -> None:
    """Both are in their chunk at the same moment, and neither waits for the other."""
    with fx.stuck(), tick.stuck():
        fx.send(15_100)
        tick.send(900_000)
        runs = {fx.in_mid_chunk(), tick.in_mid_chunk()}
    until("both rows", lambda: fx.loaded(15_100) and tick.loaded(900_000), 120)
    assert {fx.cluster.finished(run) for run in runs} == {"Succeeded"}
    figure.append(("two feeds at once", "both in their chunk at the same moment, both loaded"))
    assert fx.cluster.bank.broken("fx") == fx.cluster.bank.broken("tick") == []
