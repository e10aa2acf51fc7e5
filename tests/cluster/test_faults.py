"""A run dies, is stopped or comes twice: the rows are there once, and Argo says what happened. Lane by lane."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import yaml
from confluent_kafka import Producer

from bank import ROOT
from cluster import deployment
from cluster.lane import Figures, Lane, beside
from cluster.world import LARGE, until
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
        locks = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple', 'advisory')"
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
    deployment.image("next", ROOT / "tests/cluster/next")
    with lane.stuck(), lane.cluster.as_ci("feedfall-deploy") as ci:
        lane.send(10)
        old = lane.in_mid_chunk()
        pod = lane.pods(old)[0]["metadata"]["name"]
        said = lane.feedfall("deploy", "--file", str(tmp / "brief.yaml"), "--image", f"{deployment.IMAGE}:next", **ci)
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
    assert _images(lane, old) == {f"{deployment.IMAGE}:e2e"}
    booked = (
        "SELECT name, code, extract(epoch FROM ended_at) FROM feedfall.run"
        " WHERE feed = 'brief' AND stage = 'sub' AND counts->>'loaded' = '1' ORDER BY id DESC"
    )
    name, code, at = lane.cluster.bank.rows(booked)[0]
    assert (name, code) == (old, schema.migrations()[-1].version)
    assert at > grown
    lane.send(11)
    until("the new image's row", lambda: lane.loaded(11), 90)
    until("the end of the new image's run", lambda: lane.cluster.bank.rows(booked)[0][1] == 900, 30)
    with lane.cluster.as_ci("feedfall-deploy") as ci:  # back to the old release: its code is still served
        lane.feedfall("deploy", "--file", str(tmp / "brief.yaml"), **ci)
    lane.send(12)
    until("the old image's row", lambda: lane.loaded(12), 90)
    until("the end of the old image's run", lambda: lane.cluster.bank.rows(booked)[0][1] == code, 30)
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
