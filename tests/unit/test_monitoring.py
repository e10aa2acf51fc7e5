"""`monitoring/`: what is rendered is committed, and each alert leads to a runbook, each query to a metric of ours."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from catalog import find
from operate.desk.desk import State
from service.desk_metrics import COUNTERS, DURATION, GAUGES
from workflows import alerts, dashboard, render
from workflows.alerts import ALERTS, Alert

ROOT = Path(__file__).parents[2]
FILES = ("monitoring/rules.yaml", "monitoring/prometheusrule.yaml", "monitoring/podmonitor.yaml")
NAMES = {*GAUGES, *COUNTERS, *(f"{DURATION}_{part}" for part in ("bucket", "sum", "count"))}
EXPRESSIONS = [alert.expr for alert in ALERTS] + [query for panel in dashboard.PANELS for query in panel.queries]
RUNBOOKS = (ROOT / "docs/operate.md").read_text(encoding="utf-8")


def test_files__are_what_would_be_rendered_byte_for_byte() -> None:
    assert render.compare(ROOT, render.render(find.PACKAGES) | render.monitoring({})) == []


def test_check__names_a_changed_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    render.main([str(tmp_path)])
    for name in (*FILES, "monitoring/dashboard.json"):
        changed = tmp_path / name
        changed.write_text(changed.read_text(encoding="utf-8") + " ", encoding="utf-8")
        capsys.readouterr()
        assert (render.main(["--check", str(tmp_path)]), capsys.readouterr().out) == (1, f"differs {changed}\n")
        render.main([str(tmp_path)])


def test_addresses__are_the_banks_own() -> None:
    own = render.monitoring({"FEEDFALL_RUNBOOKS": "https://wiki/operate", "FEEDFALL_BOARD_URL": "https://desk/"})
    absent = yaml.safe_load(own["monitoring/rules.yaml"])["groups"][0]["rules"][0]["annotations"]
    assert absent["runbook_url"] == "https://wiki/operate#feedfallabsent"
    assert absent["board_url"] == "https://desk/feeds/{{ $labels.feed }}"
    assert not any("example.com" in text for text in own.values())


def test_operator__has_the_same_rules() -> None:
    plain, operator = (yaml.safe_load((ROOT / name).read_text(encoding="utf-8")) for name in FILES[:2])
    assert operator["spec"] == plain


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_alert__leads_to_its_runbook(alert: Alert) -> None:
    anchor = alerts.rule(alert)["annotations"]["runbook_url"].partition("#")[2]
    assert anchor in {heading.lower() for heading in re.findall(r"^#+ (\w+)$", RUNBOOKS, re.MULTILINE)}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_alert__says_what_it_means_and_what_happens_without_metrics(alert: Alert) -> None:
    said = alerts.rule(alert)["annotations"]
    assert set(said) == {"summary", "description", "without_metrics", "runbook_url", "board_url"}
    assert all(said.values())
    used = set(re.findall(r"\$labels\.(\w+)", str(said)))
    assert used <= set(re.findall(r"\w+", alert.expr)), "a label that the expression folds away would be empty"


def test_alerts__are_named_once() -> None:
    names = [alert.name for alert in ALERTS]
    assert len(set(names)) == len(names)
    assert {alert.name for alert in ALERTS if alert.severity == alerts.CRITICAL} == {
        "FeedfallAbsent",
        "FeedfallBlocked",
        "FeedfallSweepMissing",
        "FeedfallMetricsMissing",
    }


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions__name_metrics_that_are_exposed(expression: str) -> None:
    assert set(re.findall(r"\bfeedfall_\w+", expression)) <= NAMES


def test_dashboard__has_a_picture_of_each_kind_and_no_two_in_one_place() -> None:
    drawn = json.loads((ROOT / "monitoring/dashboard.json").read_text(encoding="utf-8"))
    places = [tuple(panel["gridPos"].values()) for panel in drawn["panels"]]
    assert len(set(places)) == len(places) == 10
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in drawn["panels"])
    assert {each["name"] for each in drawn["templating"]["list"]} == {"datasource", "feed"}


def test_dashboard__its_states_are_the_desks_the_worst_first() -> None:
    assert [state for state, *_ in dashboard.STATES] == list(State)
