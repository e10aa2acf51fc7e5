"""The alert rules: symptoms of the desk, each with what it means, where to look, and what happens without metrics.

    ALERTS ──▶ monitoring/rules.yaml             for a Prometheus with rule files
           ──▶ monitoring/prometheusrule.yaml    the same for the Prometheus Operator

A moment is compared with `feedfall_snapshot_timestamp_seconds`, when its database was read last: a database that is
away freezes what was true, and starts or ends no alert but its own. Several processes may expose the same desk (two
replicas of the board): each expression folds them into one alert.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

MINUTE, HOUR, DAY = 60, 3600, 86_400
BY_DATABASE = ("namespace", "database")
"""`namespace` is Prometheus's own label of a pod: two domains on one Prometheus stay apart. Elsewhere it is empty."""
BY_FEED = (*BY_DATABASE, "feed")
RUNBOOKS = "https://feedfall.example.com/docs/operate.md"
"""Where `docs/operate.md` can be read; FEEDFALL_RUNBOOKS names it for `make render`."""
BOARD = "https://feedfall.example.com"
"""The board's address; FEEDFALL_BOARD_URL names it for `make render`."""


@dataclass(frozen=True)
class Alert:
    """One rule. `hold`: how long it must be true, as Prometheus writes it."""

    name: str
    severity: str
    expr: str
    summary: str
    description: str
    hold: str = "1m"
    page: str = "/"
    """Of the board; {{ $labels.feed }} is the feed."""
    vanish: str = "it ends without being mended, and FeedfallMetricsMissing fires after two minutes"
    """What becomes of it when its metrics are gone."""


def newest(metric: str, *labels: str) -> str:
    """A metric of several processes, as one."""
    return f"max by ({', '.join(labels)}) ({metric})"


READ = newest("feedfall_snapshot_timestamp_seconds", *BY_DATABASE)


def older(metric: str, limit: int, *more: str) -> str:
    """True where the moment of a feed lies so many seconds before the last read of its database."""
    return f"{READ} - on (namespace, database) group_right () {newest(metric, *BY_FEED, *more)} > {limit}"


def since(metric: str, limit: int) -> str:
    """The same for a moment of the database itself."""
    return f"{READ} - {newest(metric, *BY_DATABASE)} > {limit}"


FEED = "{{ $labels.feed }}"
PAGE = "/feeds/{{ $labels.feed }}"
DATABASE = "{{ $labels.database }}"
SWEEP_END, HELD = "feedfall_sweep_last_end_timestamp_seconds", "feedfall_feed_held_timestamp_seconds"
NO_SWEEP_YET = f"({newest('feedfall_database_up', *BY_DATABASE)} == 1) unless on (namespace, database) {SWEEP_END}"
STORM = 'sum by (namespace, database, feed, instance) (increase(feedfall_runs_total{status=~"FAILED|LOST"}[1h]))'
STALE = "feedfall_snapshot_age_seconds unless on (namespace, database, instance) (feedfall_database_up == 0)"

CRITICAL, WARNING = "critical", "warning"
ALERTS = (
    Alert(
        "FeedfallAbsent",
        CRITICAL,
        newest('feedfall_feed_state{state="absent"}', *BY_FEED) + " == 1",
        f"{FEED}: rows that were due are not here (미도착)",
        "A base date of this feed is past its due time, its rows are not here, and nobody has accepted that. The "
        "board, `feedfall today` and `feedfall why` say which date, why, and what helps.",
        page=PAGE,
    ),
    Alert(
        "FeedfallBlocked",
        CRITICAL,
        newest("feedfall_feed_blocked_timestamp_seconds", *BY_FEED, "code") + " > 0",
        f"{FEED}: a fault stopped the feed, exit {{{{ $labels.code }}}} (차단)",
        "No run of this feed works before a person repairs the fault and frees the feed.",
        page=PAGE,
    ),
    Alert(
        "FeedfallSweepMissing",
        CRITICAL,
        f"({since(SWEEP_END, 3 * MINUTE)}) or ({NO_SWEEP_YET})",
        f"nobody watches the feeds of {DATABASE}: no sweep has ended for three minutes",
        "A sweep runs once a minute. Without one no lost doorbell is made good, no deferred request is sent again, and "
        "no absence is reported by webhook.",
        hold="30s",
        vanish="it fires where the database answers and has no sweep; without any metrics FeedfallMetricsMissing does",
    ),
    Alert(
        "FeedfallMetricsMissing",
        CRITICAL,
        "absent(feedfall_snapshot_age_seconds)",
        "feedfall exposes no metrics: nothing of the desk is watched",
        "No process of the board is scraped. Every other alert of feedfall has ended because of that, mended or not.",
        hold="2m",
        vanish="this is the alert for it",
    ),
    Alert(
        "FeedfallNotOrdered",
        WARNING,
        older("feedfall_feed_order_timestamp_seconds", 5 * MINUTE) + f" unless on (namespace, database, feed) {HELD}",
        f"{FEED}: its order time is five minutes past, and nothing was requested",
        "pub did not run, or did not come to its end. The rows cannot come before it does.",
        page=PAGE,
    ),
    Alert(
        "FeedfallUnanswered",
        WARNING,
        older("feedfall_oldest_unanswered_timestamp_seconds", 30 * MINUTE),
        f"{FEED}: a request has had no answer for half an hour",
        "The partner has nothing yet, is away or refuses, or relay does not run.",
        page=PAGE,
    ),
    Alert(
        "FeedfallRetryStorm",
        WARNING,
        newest(STORM, *BY_FEED) + " > 20",
        f"{FEED}: more than 20 runs failed within an hour",
        "The same run fails again and again. That loads no row, fills the list of runs and may use up a partner's "
        "quota.",
        page=PAGE,
    ),
    Alert(
        "FeedfallHeldLong",
        WARNING,
        older(HELD, DAY),
        f"{FEED}: held for more than a day (보류)",
        "A hold does not end by itself. Whoever held the feed may have forgotten it.",
        page=PAGE,
    ),
    Alert(
        "FeedfallQuarantineOld",
        WARNING,
        older("feedfall_quarantine_oldest_timestamp_seconds", DAY),
        f"{FEED}: a row has waited in quarantine for more than a day (격리)",
        "Rows in quarantine are not in the table, and count against the feed's budget of bad rows.",
        page="/quarantine",
    ),
    Alert(
        "FeedfallLeaseStuck",
        WARNING,
        older("feedfall_lease_expires_timestamp_seconds", 5 * MINUTE, "stage"),
        f"{FEED}: a run of {{{{ $labels.stage }}}} died with its lease, and none has taken its place",
        "A lease that has run out is free, and the sweep starts the next run. Here nothing has taken it for five "
        "minutes.",
        page=PAGE,
    ),
    Alert(
        "FeedfallSweepFaulty",
        WARNING,
        since("feedfall_sweep_last_success_timestamp_seconds", 15 * MINUTE),
        f"no sweep of {DATABASE} was without a fault for a quarter of an hour",
        "Sweeps run, and something of them fails each time: a feed's file, a topic, a right, Argo, the webhook.",
    ),
    Alert(
        "FeedfallCalendarEnding",
        WARNING,
        f"min by (namespace, calendar) (feedfall_calendar_covered_until_timestamp_seconds) - time() < {90 * DAY}",
        "calendar {{ $labels.calendar }} ends within 90 days",
        "Beyond its end nobody knows which days are business days: feeds refuse them, and no absence is seen.",
        page="/calendar/{{ $labels.calendar }}",
    ),
    Alert(
        "FeedfallBoardStale",
        WARNING,
        f"{newest(STALE, *BY_DATABASE)} > {MINUTE}",
        "the board shows what was more than a minute ago",
        "The database answers, or was never asked, and the process that reads it does not get on. What the board and "
        "these alerts say is old.",
        vanish="FeedfallMetricsMissing fires after two minutes in its place",
    ),
    Alert(
        "FeedfallBreakGlass",
        WARNING,
        f"{READ} - {newest('feedfall_break_glass_timestamp_seconds', *BY_DATABASE)} < {12 * HOUR}",
        "someone acted by break-glass (비상권한)",
        "An act that needs a second person was done without one, within the last twelve hours. Its ticket and reason "
        "are in the audit.",
        hold="0s",
        page="/audit",
    ),
    Alert(
        "FeedfallDatabaseAway",
        WARNING,
        "min by (namespace, database) (feedfall_database_up) == 0",
        f"{DATABASE} does not answer",
        "What is known of its feeds is from before. The other alerts of these feeds stay as they were.",
        hold="2m",
    ),
)


def documents(runbooks: str = RUNBOOKS, board: str = BOARD) -> dict[str, list[Document]]:
    """Return everything that goes into `monitoring/` as YAML: file name → the documents of that file."""
    return {
        "rules.yaml": [rules(runbooks, board)],
        "prometheusrule.yaml": [prometheus_rule(runbooks, board)],
        "podmonitor.yaml": [pod_monitor()],
    }


def rule(alert: Alert, runbooks: str = RUNBOOKS, board: str = BOARD) -> Document:
    """An alert as Prometheus reads it."""
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.hold,
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "without_metrics": f"When the metrics vanish: {alert.vanish}.",
            "runbook_url": f"{runbooks}#{alert.name.lower()}",
            "board_url": board.rstrip("/") + alert.page,
        },
    }


def rules(runbooks: str = RUNBOOKS, board: str = BOARD) -> Document:
    """The rule file."""
    return {"groups": [{"name": "feedfall", "rules": [rule(each, runbooks, board) for each in ALERTS]}]}


def prometheus_rule(runbooks: str = RUNBOOKS, board: str = BOARD) -> Document:
    """The same for the Prometheus Operator."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": _metadata("feedfall"),
        "spec": rules(runbooks, board),
    }


def pod_monitor() -> Document:
    """What is scraped: port `metrics` of every pod of feedfall, the board's and the calendar service's."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": _metadata("feedfall"),
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/part-of": "feedfall"}},
            "podMetricsEndpoints": [{"port": "metrics", "path": "/metrics", "interval": "15s"}],
        },
    }


def _metadata(name: str) -> Document:
    return {"name": name, "labels": {"app.kubernetes.io/part-of": "feedfall"}}
