"""The alert rules, by Debian's Prometheus: each fires and stays silent at its edges (package prometheus)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from workflows import alerts, render

pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="needs Prometheus: apt-get install prometheus")

STEP, NOW = 15, 3600
"""Seconds between two scrapes, and the moment that is looked at; time begins at 0."""
DAY = 86_400
DATABASE = {"database": "DATABASE_URL"}
FX = {**DATABASE, "feed": "fx"}
Labels = dict[str, str]


@dataclass(frozen=True)
class Series:
    """A metric through the hour, in promtool's own notation."""

    metric: str
    labels: Labels
    values: str

    def __str__(self) -> str:
        pairs = (f"{name}={json.dumps(value)}" for name, value in self.labels.items())
        return f"{self.metric}{{{','.join(pairs)}}}"


def always(metric: str, number: float, **labels: str) -> Series:
    return Series(f"feedfall_{metric}", {**FX, **labels}, f"{number}x{NOW // STEP}")


def ago(metric: str, seconds: int, **labels: str) -> Series:
    """A moment, so many seconds before NOW."""
    return always(f"{metric}_timestamp_seconds", NOW - seconds, **labels)


def lately(metric: str, seconds: int, **labels: str) -> Series:
    """1 since so many seconds before NOW, and 0 until then."""
    return Series(f"feedfall_{metric}", {**FX, **labels}, f"0x{(NOW - seconds) // STEP - 1} 1x{seconds // STEP}")


def until(seconds: int) -> Series:
    """A metric that vanished so many seconds before NOW."""
    return Series("feedfall_snapshot_age_seconds", DATABASE, f"0x{(NOW - seconds) // STEP - 1} stale")


def of(series: Series, *drop: str, **labels: str) -> Series:
    """The same with other labels."""
    kept = {name: value for name, value in series.labels.items() if name not in drop}
    return Series(series.metric, {**kept, **labels}, series.values)


def read(until: int = NOW, *, up: int = 1, **labels: str) -> list[Series]:
    """A database that is read until a moment: then it is away, or its reader hangs (`up`)."""
    good, rest = until // STEP, (NOW - until) // STEP
    values = {
        "snapshot_timestamp_seconds": f"0+{STEP}x{good}" + (f" {until}x{rest - 1}" if rest else ""),
        "snapshot_age_seconds": f"0x{good}" + (f" {STEP}+{STEP}x{rest - 1}" if rest else ""),
        "database_up": f"1x{good}" + (f" {up}x{rest - 1}" if rest else ""),
    }
    return [Series(f"feedfall_{name}", {**DATABASE, **labels}, text) for name, text in values.items()]


def sweep(seconds: int, kind: str = "end") -> Series:
    return of(ago(f"sweep_last_{kind}", seconds), "feed")


STATE = "feed_state"
UNANSWERED, HELD, ORDER = "oldest_unanswered", "feed_held", "feed_order"
CALENDAR = "calendar_covered_until"
NEVER = [of(always("snapshot_age_seconds", 0), "feed", database="")]
GLASS = "break_glass"


def storm(failures: int, status: str = "FAILED") -> Series:
    """So many within the hour, evenly."""
    return Series("feedfall_runs_total", {**FX, "status": status, "instance": "a"}, f"0+{failures / 240}x{NOW // STEP}")


#: The rule, what is exposed, and the labels of the alert that fires; None: it does not.
EDGES: list[tuple[str, list[Series], Labels | None]] = [
    # absent
    ("FeedfallAbsent", [always(STATE, 1, state="absent")], FX),
    ("FeedfallAbsent", [always(STATE, 0, state="absent"), always(STATE, 1, state="accepted")], None),  # by two people
    ("FeedfallAbsent", [always(STATE, 0, state="absent"), always(STATE, 1, state="waiting")], None),  # not yet due
    ("FeedfallAbsent", [], None),
    ("FeedfallAbsent", [*read(600, up=0), always(STATE, 1, state="absent")], FX),  # stale: it stays
    (
        "FeedfallAbsent",
        [always(STATE, 1, state="absent", instance=each) for each in "ab"],
        FX,
    ),  # two replicas: one alert
    ("FeedfallAbsent", [lately(STATE, 45, state="absent")], None),  # it may be a moment's
    ("FeedfallAbsent", [lately(STATE, 120, state="absent")], FX),
    ("FeedfallAbsent", [always(STATE, 1, state="absent", namespace="a")], {**FX, "namespace": "a"}),
    # blocked
    ("FeedfallBlocked", [lately("feed_blocked_timestamp_seconds", 45, code="78")], None),
    ("FeedfallBlocked", [ago("feed_blocked", 90, code="78")], {**FX, "code": "78"}),
    ("FeedfallBlocked", [always(STATE, 1, state="held"), ago(HELD, 90)], None),  # a person, no fault
    ("FeedfallBlocked", [], None),
    # no sweep
    ("FeedfallSweepMissing", [*read(), sweep(120)], None),
    ("FeedfallSweepMissing", [*read(), sweep(190)], None),  # three minutes, not yet half a minute ago
    ("FeedfallSweepMissing", [*read(), sweep(240)], DATABASE),
    ("FeedfallSweepMissing", read(), DATABASE),  # there was none yet
    ("FeedfallSweepMissing", [*read(600, up=0), sweep(NOW - 590)], None),  # away: nobody knows of sweeps
    ("FeedfallSweepMissing", [*read(600, up=0), sweep(NOW - 300)], DATABASE),  # missing when it went away: it stays
    ("FeedfallSweepMissing", [*read(0, up=0)[2:]], None),  # never read
    # no metrics
    ("FeedfallMetricsMissing", [], {}),
    ("FeedfallMetricsMissing", read(), None),
    ("FeedfallMetricsMissing", [until(60)], None),
    ("FeedfallMetricsMissing", [until(180)], {}),
    ("FeedfallMetricsMissing", NEVER, None),  # scraped, and stale
    # not ordered
    ("FeedfallNotOrdered", [*read(), ago(ORDER, 290)], None),
    ("FeedfallNotOrdered", [*read(), ago(ORDER, 420)], FX),
    ("FeedfallNotOrdered", [*read(), ago(ORDER, -600)], None),  # still to come
    ("FeedfallNotOrdered", [*read(), ago(ORDER, 420), ago(HELD, 9000)], None),  # held: it waits on purpose
    ("FeedfallNotOrdered", [*read(), ago(ORDER, 420), ago(HELD, 9000, feed="other")], FX),
    # unanswered
    ("FeedfallUnanswered", [*read(), ago(UNANSWERED, 1790)], None),
    ("FeedfallUnanswered", [*read(), ago(UNANSWERED, 1900)], FX),
    ("FeedfallUnanswered", [*read(1200, up=0), ago(UNANSWERED, 3000)], None),  # 10 min old when it went away
    ("FeedfallUnanswered", [*read(3000, up=0), ago(UNANSWERED, 3000)], FX),  # 40 min old then
    ("FeedfallUnanswered", [ago(UNANSWERED, 9000)], None),  # never read: nothing is known
    # retries
    ("FeedfallRetryStorm", [storm(277)], FX),
    ("FeedfallRetryStorm", [storm(15)], None),
    ("FeedfallRetryStorm", [storm(277, "SUCCEEDED")], None),
    ("FeedfallRetryStorm", [of(storm(15), instance=each) for each in "ab"], None),  # two replicas count the same runs
    ("FeedfallRetryStorm", [storm(15), storm(15, "LOST")], FX),
    # held long
    ("FeedfallHeldLong", [*read(), ago(HELD, DAY - 10)], None),
    ("FeedfallHeldLong", [*read(), ago(HELD, DAY + 120)], FX),
    # quarantine
    ("FeedfallQuarantineOld", [*read(), ago("quarantine_oldest", DAY - 10)], None),
    ("FeedfallQuarantineOld", [*read(), ago("quarantine_oldest", DAY + 120)], FX),
    # a lease
    ("FeedfallLeaseStuck", [*read(), ago("lease_expires", 290, stage="sub")], None),
    ("FeedfallLeaseStuck", [*read(), ago("lease_expires", 420, stage="sub")], {**FX, "stage": "sub"}),
    ("FeedfallLeaseStuck", [*read(), ago("lease_expires", -30, stage="sub")], None),
    # faulty sweeps
    ("FeedfallSweepFaulty", [*read(), sweep(890, "success")], None),
    ("FeedfallSweepFaulty", [*read(), sweep(1000, "success")], DATABASE),
    # calendars
    ("FeedfallCalendarEnding", [of(ago(CALENDAR, -91 * DAY), *FX, calendar="TARGET")], None),
    ("FeedfallCalendarEnding", [of(ago(CALENDAR, -89 * DAY), *FX, calendar="TARGET")], {"calendar": "TARGET"}),
    ("FeedfallCalendarEnding", [of(ago(CALENDAR, DAY), *FX, calendar="TARGET")], {"calendar": "TARGET"}),  # it is over
    # stale
    ("FeedfallBoardStale", read(), None),
    ("FeedfallBoardStale", read(NOW - 60), None),
    ("FeedfallBoardStale", read(NOW - 180), DATABASE),
    ("FeedfallBoardStale", read(NOW - 600, up=0), None),  # the database is away, and another rule says so
    ("FeedfallBoardStale", [*read(instance="a"), *read(NOW - 600, instance="b")], DATABASE),  # one of two hangs
    ("FeedfallBoardStale", [Series("feedfall_snapshot_age_seconds", {}, "+Inf " * (NOW // STEP))], {}),  # never read
    # break-glass
    ("FeedfallBreakGlass", [*read(), of(ago(GLASS, 30), "feed")], DATABASE),
    ("FeedfallBreakGlass", [*read(), of(ago(GLASS, DAY), "feed")], None),
    ("FeedfallBreakGlass", read(), None),
    # a database
    ("FeedfallDatabaseAway", read(), None),
    ("FeedfallDatabaseAway", read(NOW - 60, up=0), None),
    ("FeedfallDatabaseAway", read(NOW - 300, up=0), DATABASE),
    (
        "FeedfallDatabaseAway",
        [*read(), *read(NOW - 300, up=0, database="DATABASE_URL_STK")],
        {"database": "DATABASE_URL_STK"},
    ),
    # two domains on one Prometheus: nothing of one is matched with the other's
    ("FeedfallUnanswered", [*read(namespace="a"), ago(UNANSWERED, 1900, namespace="b")], None),
    ("FeedfallUnanswered", [*read(namespace="a"), ago(UNANSWERED, 1900, namespace="a")], {**FX, "namespace": "a"}),
]


def test_edges__are_of_every_alert_and_each_fires_once_and_is_silent_once() -> None:
    for alert in alerts.ALERTS:
        assert {fires is None for name, _, fires in EDGES if name == alert.name} == {True, False}, alert.name


def test_rules__are_valid() -> None:
    done = promtool("check", "rules", str(render.ROOT / "monitoring/rules.yaml"))
    assert f"SUCCESS: {len(alerts.ALERTS)} rules found" in done


def test_rules__fire_and_stay_silent_at_their_edges(tmp_path: Path) -> None:
    shutil.copy(render.ROOT / "monitoring/rules.yaml", tmp_path / "rules.yaml")
    tests = [case(*edge) for edge in EDGES]
    file = tmp_path / "edges.yaml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": f"{STEP}s", "tests": tests}))
    assert "SUCCESS" in promtool("test", "rules", str(file))


def case(name: str, exposed: list[Series], fires: Labels | None) -> dict[str, object]:
    rule = next(rule for rule in alerts.rules()["groups"][0]["rules"] if rule["alert"] == name)
    expected = (
        [] if fires is None else [{"exp_labels": {**rule["labels"], **fires}, "exp_annotations": said(rule, fires)}]
    )
    return {
        "interval": f"{STEP}s",
        "input_series": [{"series": str(each), "values": each.values} for each in exposed],
        "alert_rule_test": [{"eval_time": f"{NOW}s", "alertname": name, "exp_alerts": expected}],
    }


def said(rule: dict[str, dict[str, str]], labels: Labels) -> dict[str, str]:
    """The annotations, as a reader gets them."""
    return {
        name: re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels.get(found[1], ""), text)
        for name, text in rule["annotations"].items()
    }


def promtool(*words: str) -> str:
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
