"""Somebody dies, is stopped or comes twice: the rows are there once, and Argo says what happened. Lane by lane."""

from __future__ import annotations

import json
import shutil
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import yaml
from confluent_kafka import Producer

import business_day
from bank import ROOT
from cluster import world
from cluster.lane import Figures, Lane, beside
from cluster.world import LARGE, NAMESPACE, until
from ledger import schema
from ledger.database import CODE, connect

if TYPE_CHECKING:
    from pathlib import Path

KILL = """
import os, pathlib
for file in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
    if file.read_bytes().split(b'\\0')[1:3] == [b'-m', b'steps']: os.kill(int(file.parent.name), 9)
"""

# Many small eaters: at the limit the kernel kills the largest process, and that is the stage.
EAT = """
import os, pathlib, time
(sub,) = [file.parent for file in pathlib.Path('/proc').glob('[0-9]*/cmdline')
          if file.read_bytes().split(b'\\0')[1:3] == [b'-m', b'steps']]
for _ in range(60):
    if sub.exists() and os.fork() == 0:
        eaten = bytearray(b'x' * 2**24)
        time.sleep(60)
        os._exit(0)
    time.sleep(0.05)
"""


# --- latest: another system's messages -----------------------------------------------------------------------------


@beside("latest")
def test_outside_message__rings_whatever_its_body(lane: Lane, figure: Figures) -> None:
    forms = {
        "not JSON": b"<xml/>",
        "not UTF-8": b"\xff\xfe\x00",
        "empty": b"",
        "null": None,
        "1 MB": b"x" * 2**20,
        "12 MB": b"x" * 12 * 2**20,
        "JSON": b'{"symbol": "after", "base_date": "2026-01-02", "price": "1"}',  # and nothing before it blocks
    }
    seen = lane.cluster.workflows_seen
    producer = Producer({"bootstrap.servers": lane.cluster.bank.kafka, "message.max.bytes": LARGE})

    def rung(known: set[str]) -> list[str]:
        return [name for name in seen.names("latest-sub-") if name not in known and "epoch" not in name]

    for form, value in forms.items():
        known = set(seen.names("latest-sub-"))
        producer.produce(lane.cluster.bank.topic("latest"), value, b"key", partition=0)
        assert producer.flush(30) == 0
        began = time.time()
        until(f"{form} rings", lambda known=known: rung(known), 60)
        figure.append((f"an outside message, {form}", f"rings after {time.time() - began:.1f} s"))
    until("the good one is loaded", lambda: lane.cluster.bank.rows("SELECT 1 FROM latest WHERE symbol = 'after'"), 90)


@beside("latest")
def test_process__that_is_killed_in_mid_chunk_is_tried_again(lane: Lane, figure: Figures) -> None:
    with lane.stuck():
        lane.send(1)
        name = lane.in_mid_chunk()
        (pod,) = lane.pods(name)
        lane.cluster.kubectl("exec", pod["metadata"]["name"], "-c", "main", "--", "python", "-c", KILL)
        killed = time.time()
        time.sleep(1)
    until("the row", lambda: lane.loaded(1), 180)
    took = time.time() - killed
    assert lane.cluster.finished(name) == "Succeeded"
    assert lane.attempts(name)[0] == "137"
    figure.append(("a sub killed with SIGKILL in mid-chunk (exit 137)", f"loaded {took:.0f} s later"))
    assert lane.cluster.bank.broken("latest") == []


@beside("latest")
def test_run__that_an_operator_terminates_is_not_tried_again(lane: Lane, figure: Figures) -> None:
    with lane.stuck():
        lane.send(2)
        name = lane.in_mid_chunk()
        lane.cluster.argo("terminate", name)
        time.sleep(2)
    assert lane.cluster.finished(name, 180) == "Failed"
    began = time.time()
    time.sleep(12)  # longer than Argo waits before it tries again
    assert len(lane.attempts(name)) == 1
    assert lane.cluster.finished(name) == "Failed"
    until("the sweep, or the run's own end, has loaded it", lambda: lane.loaded(2), 180)
    took = max(0, time.time() - began - 12)
    figure.append(("a run that an operator terminates", f"not tried again; its row is there after 12 + {took:.0f} s"))
    assert lane.cluster.bank.broken("latest") == []


@beside("latest")
def test_feed__that_is_blocked_is_not_hammered(lane: Lane, figure: Figures) -> None:
    """It stays blocked: the last of its lane."""
    began, seen = time.time(), lane.cluster.workflows_seen
    lane.cluster.bank.respond("latest", [{"symbol": "X", "price": "none"}] * 300)
    blocked = "SELECT 1 FROM feedfall.feed_control WHERE feed = 'latest' AND blocked_at IS NOT NULL"
    until("the feed is blocked", lambda: lane.cluster.bank.rows(blocked), 90)
    until("its runs are over", lambda: not [each for each in seen.running() if each.startswith("latest-sub-")], 90)
    known, sweeps = len(seen.names("latest-sub-")), len(seen.names("feedfall-sweep-"))
    until("three sweeps", lambda: len(seen.names("feedfall-sweep-")) > sweeps + 2, 240)
    started = len(seen.names("latest-sub-")) - known
    figure.append(("a blocked feed, three sweeps long", f"{started} runs started"))
    assert started == 0
    assert lane.cluster.runs("latest", since=began)[0][1] == "FAILED"


# --- tick: many small chunks ---------------------------------------------------------------------------------------


@beside("tick")
def test_feed__that_is_held_in_mid_drain_moves_no_row_until_it_is_freed(lane: Lane, figure: Figures) -> None:
    """200 chunks wait; the hold comes in the first one. What it finds in flight, it waits for."""
    there, rows = lane.count(), 20_000
    with lane.stuck():
        lane.send(*range(rows))
        lane.in_mid_chunk()
        began = time.time()
        hold = lane.begin("hold", "tick", "--reason", "a test")
        locks = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')"
        until("the hold waits for the chunk", lambda: lane.cluster.bank.rows(locks), 25)
        assert hold.poll() is None
    said, errors = hold.communicate(timeout=120)
    took = time.time() - began
    assert hold.returncode == 0, errors
    held = lane.count() - there
    assert 0 < held < rows, said
    until("the run leaves", lambda: lane.cluster.runs("tick", since=began - 60)[-1][1] != "RUNNING", 90)
    lane.send(rows)
    until("a run that is HELD", lambda: [run for run in lane.cluster.runs("tick", since=began) if run[1] == "HELD"], 90)
    assert lane.count() - there == held
    freed = time.time()
    lane.feedfall("free", "tick", "--reason", "a test")
    until("every row", lambda: lane.count() - there == rows + 1, 240)
    figure.append(("a feed held in mid-drain, 20,000 rows", f"holds after {took:.1f} s, {held:,} loaded; no row moves"))
    figure.append(("  … freed", f"the sweep has loaded the others after {time.time() - freed:.0f} s"))
    assert lane.cluster.bank.broken("tick") == []


@beside("tick")
def test_pod__that_is_deleted_in_mid_chunk_is_tried_again(lane: Lane, figure: Figures) -> None:
    with lane.stuck():
        lane.send(50_000)
        name = lane.in_mid_chunk()
        pod = lane.pods(name)[0]["metadata"]["name"]
        lane.cluster.kubectl("delete", "pod", pod, "--grace-period=1", "--wait=false")
        deleted = time.time()
        until("the pod is gone", lambda: pod in lane.cluster.pods_seen.deleted, 90)
    until("the row", lambda: lane.loaded(50_000), 180)
    took = time.time() - deleted
    assert lane.cluster.finished(name) == "Succeeded"
    figure.append(("a sub pod deleted in mid-chunk", f"loaded {took:.0f} s later"))
    assert lane.cluster.bank.broken("tick") == []


# --- brief: memory, and a new release ------------------------------------------------------------------------------


@beside("brief")
def test_pod__that_is_out_of_memory_in_mid_chunk_is_tried_again(lane: Lane, figure: Figures) -> None:
    """The kernel's own kill, at the container's limit: others in it eat all there is."""
    with lane.stuck():
        lane.send(1)
        name = lane.in_mid_chunk()
        pod = lane.pods(name)[0]["metadata"]["name"]
        lane.cluster.kubectl("exec", pod, "-c", "main", "--", "python", "-c", EAT, check=False)
        killed = time.time()
        until("the container has ended", lambda: _ended(lane, name), 60)
    status = _ended(lane, name)
    until("the row", lambda: lane.loaded(1), 180)
    took = time.time() - killed
    assert lane.cluster.finished(name) == "Succeeded"
    assert (status["exitCode"], status["reason"]) == (137, "OOMKilled")
    assert lane.attempts(name) == ["137", "0"]
    figure.append(("a sub that the kernel killed for its memory (OOMKilled, 137)", f"loaded {took:.0f} s later"))
    assert lane.cluster.bank.broken("brief") == []


@beside("brief")
def test_release__that_comes_while_a_run_is_in_flight(lane: Lane, figure: Figures) -> None:
    """A newer image, whose schema comes a little later: it refuses, the old one goes on before and after."""
    tmp = lane.cluster.folder
    (own,) = [each for each in lane.cluster.documents("WorkflowTemplate") if each["metadata"]["name"] == "brief-sub"]
    (tmp / "brief.yaml").write_text(yaml.safe_dump(own))
    world.image("next", ROOT / "tests/cluster/next")
    with lane.stuck(), lane.cluster.as_ci("feedfall-deploy") as ci:
        lane.send(10)
        old = lane.in_mid_chunk()
        pod = lane.pods(old)[0]["metadata"]["name"]
        said = lane.feedfall("deploy", "--file", str(tmp / "brief.yaml"), "--image", f"{world.IMAGE}:next", **ci)
        assert "1 changed" in said
        early = lane.cluster.submit("brief-sub")
        until("the new image has looked at the schema", lambda: _ended(lane, early), 60)
        lane.cluster.kubectl("exec", pod, "-c", "main", "--", "python", "-c", KILL)
        grown = _grow(lane, tmp)
    until("the old image's retry has the row", lambda: lane.loaded(10), 180)
    assert lane.cluster.finished(early) == "Failed"
    assert f"the schema ({CODE}) is older than this code (900)" in lane.cluster.result(early)["reason"]
    assert lane.cluster.finished(old) == "Succeeded"
    assert lane.attempts(old)[-1] == "0"
    assert _images(lane, old) == {f"{world.IMAGE}:e2e"}
    booked = (
        "SELECT name, code, extract(epoch FROM ended_at) FROM feedfall.run"
        " WHERE feed = 'brief' AND stage = 'sub' AND counts->>'loaded' = '1' ORDER BY id DESC"
    )
    name, code, at = lane.cluster.bank.rows(booked)[0]
    assert (name, code) == (old, schema.migrations()[-1].version)
    assert at > grown
    lane.send(11)
    until("the new image's row", lambda: lane.loaded(11), 90)
    assert lane.cluster.bank.rows(booked)[0][1] == 900
    with lane.cluster.as_ci("feedfall-deploy") as ci:  # back to the old release: its code is still served
        lane.feedfall("deploy", "--file", str(tmp / "brief.yaml"), **ci)
    lane.send(12)
    until("the old image's row", lambda: lane.loaded(12), 90)
    assert lane.cluster.bank.rows(booked)[0][1] == code
    figure.append(
        ("a new image and schema while a run is in flight", "old and new run; too early: exit 78, nothing moves")
    )
    assert lane.cluster.bank.broken("brief") == []


def _ended(lane: Lane, workflow: str) -> dict[str, object]:
    """How the main container of a Workflow's first pod ended; empty while it runs."""
    for pod in lane.pods(workflow)[:1]:
        for each in pod["status"].get("containerStatuses", []):
            if each["name"] == "main":
                return dict(each["state"].get("terminated", {}))
    return {}


def _images(lane: Lane, workflow: str) -> set[str]:
    return {
        container["image"]
        for pod in lane.pods(workflow)
        for container in pod["spec"]["containers"]
        if container["name"] == "main"
    }


def _grow(lane: Lane, tmp: Path) -> float:
    """Apply the newer release's migration; when it was done."""
    shutil.copytree(schema.MIGRATIONS, tmp / "migrations")
    shutil.copy(ROOT / "tests/cluster/next/0900_next.sql", tmp / "migrations")
    connection = connect(lane.cluster.bank.url, "migrate")
    assert schema.migrate(connection, [], tmp / "migrations") == ["0900_next"]
    connection.close()
    return time.time()


# --- fx: orders, from CI and by hand -------------------------------------------------------------------------------


@beside("fx")
def test_relay_and_sub__of_one_feed_at_once(lane: Lane, figure: Figures) -> None:
    """The partner takes 15 s; meanwhile another answer arrives, and is loaded. A slow cluster is given more tries."""
    lane.cluster.ecb.delay = 15
    tries = iter(range(5, 10))
    try:
        took = until("a sub loads while relay asks", lambda: _overlap(lane, next(tries)), 600)
    finally:
        lane.cluster.ecb.delay = 0
    figure.append(("relay and sub of one feed at once", f"a sub loaded while relay asked for {took:.0f} s"))
    assert lane.cluster.bank.broken("fx") == []


def _overlap(lane: Lane, day: int) -> float | None:
    """Order a day, and while relay asks let another answer arrive; how long relay took, if a sub loaded meanwhile."""
    began, cluster = time.time(), lane.cluster

    def relays(status: str) -> list[tuple[Any, ...]]:
        return [run for run in cluster.runs("fx", "relay", began) if run[1] == status]

    cluster.submit("fx-pub", base_date=f"2024-08-{day:02}")
    until("relay runs", lambda: relays("RUNNING"), 180)
    lane.send(36_100 + day)
    until("the other answer", lambda: lane.loaded(36_100 + day), 180)
    asked = "SELECT 1 FROM fx_rate WHERE base_date = make_date(2024, 8, %s)"
    until("the partner's answer", lambda: cluster.bank.rows(asked, day), 180)
    until("relay's end is booked", lambda: not relays("RUNNING"), 60)
    (relay,) = [run for run in relays("SUCCEEDED") if run[2].get("read")]
    started, ended = relay[3:]
    subs = [run for run in cluster.runs("fx", since=began) if run[2].get("loaded") and started < run[3] < ended]
    return float(ended - started) if subs else None


@beside("fx")
def test_ci__deploys_orders_reads_and_kills(lane: Lane, figure: Figures) -> None:
    """The four commands against the real Argo Server, as the two accounts of deploy/ci/rights.yaml."""
    fx = [each for each in lane.cluster.documents() if each["metadata"]["name"].startswith("fx-")]
    file = lane.cluster.folder / "fx.yaml"
    file.write_text(yaml.safe_dump_all(fx))
    with lane.cluster.as_ci("feedfall-deploy") as ci:
        assert f"{len(fx)} unchanged" in lane.feedfall("deploy", "--file", str(file), **ci)
        lane.cluster.kubectl("delete", "cronworkflow", "fx-verify")
        said = lane.feedfall("deploy", "--file", str(file), **ci)
        assert "created       CronWorkflow      fx-verify" in said

    with lane.cluster.as_ci("feedfall-submit") as ci:
        began = time.time()
        ordered = lane.feedfall("submit", "fx", "--date", "2024-03-06", "--wait", "--timeout", "5m", **ci)
        took = time.time() - began
        assert "status=SUCCEEDED" in ordered.splitlines()[-1]
        rows = lane.cluster.bank.value("SELECT count(*) FROM fx_rate WHERE base_date = '2024-03-06'")
        assert f"rows={rows} " in ordered.splitlines()[-1]
        again = lane.feedfall("submit", "fx", "--date", "2024-03-06", "--wait", **ci)
        assert "status=ALREADY_DONE" in again
        assert "RESULT status=SUCCEEDED feed=fx stage=pub" in lane.feedfall("logs", "fx-pub-20240306-1", **ci)
        held = lane.feedfall("submit", "fx-pub", "--wait", "-p", "base-date=no-date", code=78, **ci)
        assert "status=FAILED" in held.splitlines()[-1]

        with lane.stuck():
            lane.send(36_001)
            name = lane.in_mid_chunk()
            kill = lane.begin("kill", name, "--reason", "a test", **ci)
            until("Argo was told", lambda: lane.cluster.get("workflow", name)["spec"].get("shutdown"), 60)
            time.sleep(2)
        said, errors = kill.communicate(timeout=180)
        assert kill.returncode == 0, errors
        assert f"{name} was stopped" in said
    journal = "SELECT reason FROM feedfall.journal WHERE verb = 'kill' AND detail->>'workflow' = %s"
    assert lane.cluster.bank.rows(journal, name) == [("a test",)]
    until("the row, from this run's last chunk or by the sweep", lambda: lane.loaded(36_001), 180)
    figure.append(("deploy, submit --wait, logs, kill on a real Argo Server", f"an order's rows after {took:.1f} s"))
    assert lane.cluster.bank.broken("fx") == []


@beside("fx")
def test_rerun__as_the_ui_asks_for_it(lane: Lane, figure: Figures) -> None:
    """Argo Server's submit call with a real token: the form's parameters, enum included; a day is done once."""
    cluster = lane.cluster
    token = cluster.kubectl("create", "token", "feedfall-sweep").stdout.strip()
    spec = cluster.get("workflowtemplate", "fx-pub")["spec"]
    assert all(each["description"] for each in spec["arguments"]["parameters"])
    with (
        cluster.argo_server() as url,
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client,
    ):

        def submit(*parameters: str) -> str:
            options = {"parameters": list(parameters)}
            body = {"resourceKind": "WorkflowTemplate", "resourceName": "fx-pub", "submitOptions": options}
            answer = client.post(f"/api/v1/workflows/{NAMESPACE}/submit", json={"namespace": NAMESPACE, **body})
            assert answer.status_code == 200, answer.text
            return str(answer.json()["metadata"]["name"])

        statuses = []
        for _ in range(2):
            name = submit("base-date=2026-10-28")
            assert cluster.finished(name) == "Succeeded"
            statuses.append(cluster.result(name)["status"])
        assert statuses == ["SUCCEEDED", "ALREADY_DONE"]
        # Argo's server lets through what the form would not offer (v4.0.7): our own door refuses it.
        wrong = submit("policy=Whatever")
        assert cluster.finished(wrong) == "Failed"
        assert "none of DoNotOrder" in cluster.result(wrong)["reason"]
        assert client.get(f"/api/v1/workflows/{NAMESPACE}").status_code == 403  # this account may only start
    figure.append(("rerun by Argo Server's API with a real token", "SUCCEEDED, then ALREADY_DONE"))


@beside("fx")
def test_run__that_is_finished_may_be_started_again(lane: Lane, figure: Figures) -> None:
    """Argo refuses to retry what succeeded; a resubmitted run finds nothing to do and says so."""
    began, cluster = time.time(), lane.cluster
    lane.send(36_002)
    name = until("the row", lambda: lane.loaded(36_002), 90)
    assert cluster.finished(name) == "Succeeded"
    with pytest.raises(AssertionError, match="retry a succeeded workflow"):
        cluster.argo("retry", name)
    before = lane.count()
    again = cluster.argo("resubmit", name, "-o", "name").splitlines()[-1]
    assert cluster.finished(again) == "Succeeded"
    assert cluster.result(again)["read"] == "0"
    assert lane.count() == before
    figure.append(("retry and resubmit of a finished run", f"refused; read=0 ({time.time() - began:.0f} s in all)"))


# --- bulletin: the clock and the calendar --------------------------------------------------------------------------


@beside("bulletin")
def test_pub__asks_the_calendar(lane: Lane, figure: Figures) -> None:
    """From its CronWorkflow, for an open day of TARGET and for Christmas."""
    statuses = []
    for day in ("2026-10-30", "2026-12-25"):
        words = ("submit", "--from", "cronwf/bulletin-pub", "-p", f"base-date={day}", "-o", "name")
        name = lane.cluster.argo(*words).splitlines()[-1]
        assert lane.cluster.finished(name) == "Succeeded"
        statuses.append(lane.cluster.result(name)["status"])
    figure.append(("pub from its CronWorkflow, an open day and Christmas", ", ".join(statuses)))
    assert statuses == ["SUCCEEDED", "SKIPPED"]


@beside("bulletin")
def test_pub__starts_by_the_clock_of_its_zone(lane: Lane, figure: Figures) -> None:
    """Argo's own clock, in two zones: a feed of all days orders today, one of TARGET where TARGET is open."""
    today = datetime.now(ZoneInfo("Europe/Brussels")).date()
    is_open = business_day.calendar("TARGET").is_business_day(today)
    feeds = {
        "bulletin": ("Europe/Brussels", "SUCCEEDED" if is_open else "SKIPPED"),
        "brief": ("Asia/Seoul", "SUCCEEDED"),
    }
    seen, known, statuses = lane.cluster.workflows_seen, {}, {}
    for feed, (zone, _) in feeds.items():
        known[feed] = set(seen.names(f"{feed}-pub-"))
        at = datetime.now(ZoneInfo(zone)) + timedelta(seconds=75)
        _schedule(lane, feed, f"{at.minute} {at.hour} * * *")
    for feed, (zone, _) in feeds.items():

        def ticked(feed: str = feed) -> list[str]:
            return [name for name in seen.names(f"{feed}-pub-") if name not in known[feed]]

        name = until(f"the clock of {zone} starts {feed}-pub", ticked, 240)[0]
        assert lane.cluster.finished(name) == "Succeeded"
        statuses[feed] = lane.cluster.result(name)["status"]
        (own,) = [x for x in lane.cluster.documents("CronWorkflow") if x["metadata"]["name"] == f"{feed}-pub"]
        _schedule(lane, feed, own["spec"]["schedules"][0])
    figure.append(
        (f"pub by Argo's clock on {today:%A}", ", ".join(f"{feed} {each}" for feed, each in statuses.items()))
    )
    assert statuses == {feed: wanted for feed, (_, wanted) in feeds.items()}


@beside("bulletin")
def test_run__that_failed_may_be_started_again(lane: Lane, figure: Figures) -> None:
    name = lane.cluster.submit("bulletin-pub", base_date="no-date")
    assert lane.cluster.finished(name) == "Failed"
    assert lane.cluster.result(name)["status"] == "FAILED"
    for verb in ("resubmit", "retry"):
        again = lane.cluster.argo(verb, name, "-o", "name").splitlines()[-1]
        time.sleep(2)
        assert lane.cluster.finished(again) == "Failed"
        assert lane.cluster.result(again)["status"] == "FAILED"
    figure.append(("retry and resubmit of a failed run", "it fails again, and says why"))


def _schedule(lane: Lane, feed: str, schedule: str) -> None:
    patch = json.dumps({"spec": {"schedules": [schedule]}})
    lane.cluster.kubectl("patch", "cronworkflow", f"{feed}-pub", "--type=merge", "-p", patch)
