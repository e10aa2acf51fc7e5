"""/metrics of a Desk: hostile names, how many series, and the reference."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from desk_numbers import NOW, UP, day, desk, line, of, read
from ledger.totals import BOUNDS, FATES, Totals
from operate.desk.desk import Desk, FeedState, State
from service.desk_metrics import DeskMetrics
from steps.run.status import Status


@pytest.mark.parametrize(
    "name",
    [
        'fx"} 1\nfeedfall_database_up{database="x',  # closes the label and adds a metric
        "back\\slash\\",
        "new\nline\r\n",
        "\u202egnp.exe",  # bidi
        "half \ud800 a pair",
        "<script>alert(1)</script>",
        "{{ $labels.feed }}",
        "x" * 100_000,
    ],
)
def test_labels__a_hostile_name_stays_a_value(name: str) -> None:
    found = read(desk(day(State.ABSENT, feed=name), feeds=[FeedState(name, "")]))
    values = {labels["feed"] for _, labels, _ in found if "feed" in labels}
    assert values == {name.encode("utf-8", "replace").decode()}
    assert len(of("feedfall_database_up", found)) == 1


def test_labels__the_same_twice_are_one_sample() -> None:
    found = read(desk(feeds=[FeedState("a\ud800", ""), FeedState("a?", "")]))
    assert len(of("feedfall_requests_unanswered", found)) == 1


def test_labels__never_a_date_or_a_run() -> None:
    found = read(desk(day(State.ABSENT, due_at=NOW), runs=[line(lease_expires_at=NOW)]))
    words = {value for _, labels, _ in found for value in labels.values()}
    assert not [word for word in words if "2026" in word or "fx-sub-1" in word]


#: How a run of a pod can end; the other words are those of commands.
ENDS = [each for each in Status if each is not Status.RUNNING][: list(Status).index(Status.FAILED) + 1]
STAGES = ("pub", "relay", "sub", "release", "sweep", "verify")


def test_cardinality__of_200_feeds_with_all_that_can_be() -> None:
    """Each feed has every status, fate and lease that there is, and each database each verb."""
    names = [f"feed-{number}" for number in range(200)]
    moments = dict.fromkeys(("held_at", "blocked_at", "oldest_unanswered_at", "oldest_quarantined_at"), NOW)
    feeds = [FeedState(name, "", lag=1, last_arrival_at=NOW, **moments) for name in names]  # type: ignore[arg-type]
    days = [
        day(State.ABSENT, feed=name, due_at=NOW, order_at=NOW, arrived_at=NOW, base_date=date(2026, 11, number))
        for name in names
        for number in range(1, 31)
    ]
    runs = [line(feed=name, stage=stage, lease_expires_at=NOW) for name in names for stage in STAGES[:4]]
    verbs = [(f"verb-{number}", outcome) for number in range(30) for outcome in ("done", "refused", "failed")]
    totals = Totals(
        "",
        {(name, status): 1 for name in names for status in ENDS},
        {(name, fate): 1 for name in names for fate in FATES},
        dict.fromkeys(verbs, 1),
        {stage: ([1] * (len(BOUNDS) + 1), 1) for stage in STAGES},
        approvals_pending=1,
        break_glass_at=NOW,
    )
    assert len(read(desk(*days, feeds=feeds, runs=runs), totals)) < 10_000


# -- the reference --


def everything() -> Desk:
    """A Desk that has all that can be exposed."""
    moments = dict.fromkeys(("held_at", "blocked_at", "oldest_unanswered_at", "oldest_quarantined_at"), NOW)
    feed = FeedState("fx", "", lag=1, last_arrival_at=NOW, **moments)  # type: ignore[arg-type]
    shown = [day(State.ABSENT, due_at=NOW, order_at=NOW, arrived_at=NOW)]
    return desk(
        *shown,
        feeds=[feed],
        runs=[line(lease_expires_at=NOW)],
        databases=[replace(UP, sweep_ended_at=NOW, sweep_good_at=NOW)],
    )


def test_reference__lists_what_is_exposed_with_its_labels() -> None:
    page = (Path(__file__).parents[2] / "docs/reference.md").read_text(encoding="utf-8")
    listed = {
        (name, frozenset(re.findall(r"`(\w+)`", labels)), words)
        for name, labels, words in re.findall(r"^\| `(feedfall_\w+)` \| (.*) \| (.*) \|$", page, re.MULTILINE)
    }
    totals = Totals("", {("fx", "FAILED"): 1}, {("fx", "loaded"): 1}, {("hold", "done"): 1}, {"sub": ([1] * 13, 1.0)})
    totals = replace(totals, approvals_pending=1, break_glass_at=NOW)
    metrics = DeskMetrics(everything, lambda: NOW, lambda: [totals], lambda: {"TARGET": NOW})
    exposed = set()
    for family in text_string_to_metric_families(metrics.text().decode()):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = frozenset(family.samples[0].labels) - {"le"}
        words = family.documentation + (": a histogram" if family.type == "histogram" else "")
        exposed.add((name, labels, words))
    assert exposed == listed
