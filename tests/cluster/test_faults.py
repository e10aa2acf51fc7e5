"""Somebody dies, is stopped or comes twice: the rows are there once, and Argo says what happened."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from bank import ROOT
from cluster.world import Cluster, Partner, spread, until

if TYPE_CHECKING:
    from collections.abc import Iterator


def row(day: date) -> dict[str, str]:
    return {"base_date": day.isoformat(), "currency": "USD", "rate": "1.1"}


@contextmanager
def stuck(cluster: Cluster, table: str = "fx_rate") -> Iterator[None]:
    """Hold a run in mid-chunk: its COPY waits for this lock."""
    with psycopg.connect(cluster.bank.url) as connection:
        connection.execute(f"LOCK TABLE {table} IN SHARE MODE".encode())
        yield


def in_mid_chunk(cluster: Cluster) -> str:
    """The name of the run that waits for the lock."""
    waits = (
        "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
        " WHERE NOT granted AND datname = current_database()"
    )
    until("a run is in mid-chunk", lambda: cluster.bank.rows(waits), 30)
    (run,) = cluster.bank.rows(
        "SELECT name FROM feedfall.run WHERE status = 'RUNNING' AND stage = 'sub' AND feed = 'fx'"
    )
    return str(run[0])


def loaded(cluster: Cluster, day: date) -> bool:
    return bool(cluster.bank.rows("SELECT 1 FROM fx_rate WHERE base_date = %s", day))


def pod_of(cluster: Cluster, workflow: str) -> str:
    (pod,) = cluster.items("pods", f"workflows.argoproj.io/workflow={workflow}")
    return str(pod["metadata"]["name"])


def feedfall(cluster: Cluster, *words: str) -> None:
    environ = cluster.bank.environment()
    subprocess.run([sys.executable, "-m", "control", *words], check=True, env=environ, cwd=ROOT, capture_output=True)


def test_message__that_lands_while_a_run_leaves_is_loaded_at_once(
    cluster: Cluster, publisher: Partner, figure: list
) -> None:
    waits = []
    with psycopg.connect(cluster.bank.url, autocommit=True) as connection:
        for number in range(30):
            day = date(1940, 1, 1) + timedelta(days=number)
            began = publisher.answer("fx", [row(day)])
            query = b"SELECT 1 FROM fx_rate WHERE base_date = %s"
            until(str(day), lambda query=query, day=day: connection.execute(query, [day]).fetchone(), 30, every=0.002)
            waits.append(time.time() - began)
            time.sleep(number % 10 * 0.02)  # from the very commit to when the pod is gone
    figure.append(
        ("30 messages, each while the last one's run leaves", spread(waits) + f", the slowest {max(waits):.1f} s")
    )
    assert cluster.bank.broken("fx") == []


def test_pod__that_is_deleted_in_mid_chunk_is_tried_again(cluster: Cluster, publisher: Partner, figure: list) -> None:
    day = date(1941, 1, 1)
    with stuck(cluster):
        publisher.answer("fx", [row(day)])
        name = in_mid_chunk(cluster)
        pod = pod_of(cluster, name)
        cluster.kubectl("delete", "pod", pod, "--grace-period=1", "--wait=false")
        deleted = time.time()
        until("the pod is gone", lambda: pod in cluster.pods_seen.deleted, 60)
    until("the row", lambda: loaded(cluster, day), 120)
    took = time.time() - deleted
    assert cluster.finished(name) == "Succeeded"
    figure.append(("sub's pod deleted in mid-chunk", f"Argo's retry has loaded it {took:.0f} s later"))
    assert cluster.bank.broken("fx") == []


def test_process__that_is_killed_in_mid_chunk_is_tried_again(
    cluster: Cluster, publisher: Partner, figure: list
) -> None:
    """SIGKILL from inside, as the kernel's OOM killer sends it: exit 137."""
    day = date(1947, 1, 1)
    kill = (
        "import os, pathlib\n"
        "for file in pathlib.Path('/proc').glob('[0-9]*/cmdline'):\n"
        "    words = file.read_bytes().split(b'\\0')\n"
        "    if words[1:3] == [b'-m', b'steps']: os.kill(int(file.parent.name), 9)\n"
    )
    with stuck(cluster):
        publisher.answer("fx", [row(day)])
        name = in_mid_chunk(cluster)
        cluster.kubectl("exec", pod_of(cluster, name), "-c", "main", "--", "python", "-c", kill)
        killed = time.time()
        time.sleep(3)
    until("the row", lambda: loaded(cluster, day), 120)
    assert cluster.finished(name) == "Succeeded"
    codes = [
        node.get("outputs", {}).get("exitCode") for node in cluster.get("workflow", name)["status"]["nodes"].values()
    ]
    assert "137" in codes
    figure.append(
        (
            "sub killed by SIGKILL in mid-chunk (exit 137)",
            f"the next run has its row {time.time() - killed:.0f} s later",
        )
    )
    assert cluster.bank.broken("fx") == []


def test_run__that_an_operator_terminates_is_not_tried_again(
    cluster: Cluster, publisher: Partner, figure: list
) -> None:
    day = date(1942, 1, 1)
    with stuck(cluster):
        publisher.answer("fx", [row(day)])
        name = in_mid_chunk(cluster)
        cluster.argo("terminate", name)
        time.sleep(2)
    assert cluster.finished(name, 120) == "Failed"
    time.sleep(15)
    assert len(cluster.items("pods", f"workflows.argoproj.io/workflow={name}")) <= 1
    assert cluster.finished(name) == "Failed"
    began = time.time()
    until("the sweep, or the run's own end, has loaded it", lambda: loaded(cluster, day), 150)
    figure.append(
        ("a run that an operator terminates", f"no retry; its row came {max(0, time.time() - began):.0f} s after")
    )
    assert cluster.bank.broken("fx") == []


def test_controller__restarted_in_mid_run(cluster: Cluster, publisher: Partner, figure: list) -> None:
    day = date(1943, 1, 1)
    with stuck(cluster):
        publisher.answer("fx", [row(day)])
        name = in_mid_chunk(cluster)
        cluster.kubectl("-n", "argo", "rollout", "restart", "deployment/workflow-controller")
        cluster.kubectl("-n", "argo", "rollout", "status", "deployment/workflow-controller", "--timeout=90s")
    assert cluster.finished(name, 90) == "Succeeded"
    assert loaded(cluster, day)
    figure.append(("workflow controller restarted in mid-run", "the run succeeds"))


def test_feed__that_is_held_moves_no_row_until_it_is_freed(cluster: Cluster, publisher: Partner, figure: list) -> None:
    day = date(1944, 1, 1)
    feedfall(cluster, "hold", "fx", "--reason", "a test")
    try:
        began = time.time()
        publisher.answer("fx", [row(day)])
        until("a run that is held", lambda: [run for run in cluster.runs("fx", since=began) if run[1] == "HELD"], 30)
        time.sleep(3)
        assert not loaded(cluster, day)
    finally:
        feedfall(cluster, "free", "fx", "--reason", "a test")
    freed = time.time()
    until("the row", lambda: loaded(cluster, day), 130)
    figure.append(("a held feed, freed", f"no row moves; freed: loaded by the sweep after {time.time() - freed:.0f} s"))
    assert cluster.bank.broken("fx") == []


@pytest.mark.parametrize("verb", ["resubmit", "retry"])
def test_run__that_is_finished_may_be_started_again(cluster: Cluster, publisher: Partner, verb: str) -> None:
    """Argo refuses to retry what succeeded; a resubmitted run finds nothing to do and says so."""
    began = publisher.answer("fx", [row(date(1945, 1, 1))])
    until("a run", lambda: cluster.runs("fx", since=began), 30)
    cluster.quiet()
    name = cluster.runs("fx", since=began)[0][0]
    before = cluster.bank.value("SELECT count(*) FROM fx_rate")
    if verb == "retry":
        with pytest.raises(AssertionError, match="retry a succeeded workflow"):
            cluster.argo("retry", name)
        return
    again = cluster.argo("resubmit", name, "-o", "name").splitlines()[-1]
    assert cluster.finished(again) == "Succeeded"
    assert cluster.result(again)["read"] == "0"
    assert cluster.bank.value("SELECT count(*) FROM fx_rate") == before


@pytest.mark.parametrize("verb", ["resubmit", "retry"])
def test_run__that_failed_may_be_started_again(cluster: Cluster, verb: str) -> None:
    name = cluster.submit("fx-pub", base_date="no-date")
    assert cluster.finished(name) == "Failed"
    assert cluster.result(name)["status"] == "FAILED"
    again = cluster.argo(verb, name, "-o", "name").splitlines()[-1]
    time.sleep(2)
    assert cluster.finished(again) == "Failed"
    assert cluster.result(again)["status"] == "FAILED"


def test_pub__from_its_cron_asks_the_calendar(cluster: Cluster, figure: list) -> None:
    name = cluster.argo("submit", "--from", "cronwf/fx-pub", "-o", "name").splitlines()[-1]
    assert cluster.finished(name) == "Succeeded"
    status = cluster.result(name)["status"]
    figure.append((f"pub from its CronWorkflow on {date.today():%A}", status))  # noqa: DTZ011 -- a weekday for the table
    assert status in ("SUCCEEDED", "ALREADY_DONE") if date.today().weekday() < 5 else status == "SKIPPED"  # noqa: DTZ011


def test_sensor__that_is_gone_costs_time_only(cluster: Cluster, publisher: Partner, figure: list) -> None:
    day = date(1946, 1, 1)
    with without(cluster, "sensor"):
        began = publisher.answer("fx", [row(day)])
        until("the row", lambda: loaded(cluster, day), 130)
        figure.append(
            ("the Sensor is deleted altogether", f"the sweep has loaded it after {time.time() - began:.0f} s")
        )
    assert cluster.bank.broken("fx") == []


@pytest.mark.parametrize(
    "label",
    ["sensor-name=feedfall", "eventsource-name=feedfall", "statefulset.kubernetes.io/pod-name=eventbus-feedfall-js-0"],
)
def test_doorbell_pod__killed_during_a_burst(cluster: Cluster, figure: list, label: str) -> None:
    before = cluster.bank.value("SELECT count(*) FROM tick")
    began = time.time()
    for number in range(20):
        cluster.bank.respond(
            "tick", [{"symbol": f"K{number}-{each}", "price": "1", "volume": 1, "note": None} for each in range(25)]
        )
        if number == 5:
            cluster.kubectl("delete", "pod", "-l", label, "--grace-period=1", "--wait=false")
        time.sleep(0.2)
    until("every row", lambda: cluster.bank.value("SELECT count(*) FROM tick") == before + 500, 150)
    name = label.partition("=")[0].partition("-")[0] if "pod-name" not in label else "one JetStream"
    figure.append((f"{name} pod killed in a burst of 500", f"every row after {time.time() - began:.0f} s"))
    cluster.quiet()
    assert cluster.bank.broken("tick") == []


def test_two_feeds__at_once(cluster: Cluster, publisher: Partner) -> None:
    days = [date(1948, 1, 1) + timedelta(days=number) for number in range(5)]
    before = cluster.bank.value("SELECT count(*) FROM tick")
    for day in days:
        publisher.answer("fx", [row(day)])
        cluster.bank.respond("tick", [{"symbol": day.isoformat(), "price": "1", "volume": 1, "note": None}])
    until("all of fx", lambda: loaded(cluster, days[-1]) and loaded(cluster, days[0]), 30)
    until("all of tick", lambda: cluster.bank.value("SELECT count(*) FROM tick") == before + 5, 30)
    cluster.quiet()
    assert cluster.bank.broken("fx") == cluster.bank.broken("tick") == []


def test_feed__that_is_blocked_is_not_hammered(cluster: Cluster, figure: list) -> None:
    began = time.time()
    cluster.bank.respond("latest", [{"symbol": "X", "price": "none"}] * 300)
    blocked = "SELECT 1 FROM feedfall.feed_control WHERE feed = 'latest' AND blocked_at IS NOT NULL"
    try:
        until("the feed is blocked", lambda: cluster.bank.rows(blocked), 60)
        cluster.quiet()
        known = len(cluster.workflows_seen.names("latest-sub-"))
        time.sleep(130)
        started = len(cluster.workflows_seen.names("latest-sub-")) - known
        figure.append(("a blocked feed, two sweeps long", f"{started} runs started"))
        assert started == 0
        assert cluster.runs("latest", since=began)[0][1] == "FAILED"
    finally:
        feedfall(cluster, "free", "latest", "--reason", "a test")


@contextmanager
def without(cluster: Cluster, kind: str) -> Iterator[None]:
    found: dict[str, Any] = cluster.get(kind, "feedfall")
    cluster.kubectl("delete", kind, "feedfall", "--wait=true")
    time.sleep(2)
    try:
        yield
    finally:
        kept = {key: found["metadata"][key] for key in ("name", "namespace", "labels")}
        cluster.kubectl("apply", "-f", "-", text=json.dumps({**found, "metadata": kept, "status": {}}))
        cluster.kubectl("wait", kind, "feedfall", "--for=condition=Deployed", "--timeout=120s")
        time.sleep(10)
