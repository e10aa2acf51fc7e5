"""What starts a run besides a bell: CI, the UI, a person, a clock. Lane by lane."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import yaml

import business_day
from cluster.lane import Figures, Lane, beside
from cluster.world import NAMESPACE, until

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
    journal = "SELECT reason FROM feedfall.journal WHERE verb = 'kill' AND phase = 'done' AND detail->>'workflow' = %s"
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
