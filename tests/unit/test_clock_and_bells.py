"""When the local player's crons start and when its doorbell fires."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from catalog import find
from local.argo.clock import Clock
from local.argo.doorbell import Bell, bells
from local.argo.template import Cron, read_cron, read_template
from local.argo.workflow import Workflow
from played import rendered


class Orders:
    """Submits nothing; keeps what was ordered, still running until it is told to have ended."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.last: Workflow | None = None

    def __call__(self, template: str, *, name: str, labels: dict[str, str]) -> Workflow:
        assert labels == {"workflows.argoproj.io/cron-workflow": name.rpartition("-")[0]}
        self.names.append(name)
        self.last = Workflow(name, read_template(rendered(template)), {}, labels)
        return self.last


def cron(schedule: str, zone: str = "UTC", patience: float = 10) -> Cron:
    return Cron("feedfall-sweep", "feedfall-sweep", (schedule,), ZoneInfo(zone), patience)


NOON = datetime(2026, 10, 30, 12, 0, tzinfo=UTC)


def ticked(found: Cron, start: datetime, *seconds: float, ends: bool = True) -> list[int]:
    """Seconds after start for which a Workflow was started, when the clock is told these times."""
    orders = Orders()
    clock = Clock({found.name: found}, orders, start)
    for each in seconds:
        clock.tick(start + timedelta(seconds=each))
        if ends and orders.last:
            orders.last.ended.set()
    return [int(name.rpartition("-")[2]) - int(start.timestamp()) for name in orders.names]


def test_clock__starts_each_minute_once() -> None:
    assert ticked(cron("* * * * *"), NOON, 0, 59.5, 60, 60.5, 61, 120.1) == [60, 120]


def test_clock__starts_nothing_beside_one_that_still_runs() -> None:
    assert ticked(cron("* * * * *"), NOON, 60, 120, 180, ends=False) == [60]


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("Europe/Brussels", 15 + 5 / 60),  # 16:05 there, in winter
        ("Asia/Seoul", 7 + 5 / 60),
        ("UTC", 16 + 5 / 60),
    ],
)
def test_clock__ticks_in_the_crons_zone(zone: str, hours: float) -> None:
    midnight = datetime(2026, 10, 30, tzinfo=UTC)
    seconds = round(hours * 3600)
    assert ticked(cron("5 16 * * *", zone), midnight, seconds - 1, seconds) == [seconds]


@pytest.mark.parametrize(
    ("patience", "late", "started"),
    [
        (28_500, 3600, [60]),  # a laptop that slept for an hour: pub may still order today
        (10, 3600, []),
    ],
)
def test_clock__catches_up_one_missed_start_within_its_patience(
    patience: float, late: float, started: list[int]
) -> None:
    assert ticked(cron("1 12 * * *", patience=patience), NOON, 60 + late, 61 + late) == started


def test_cron__is_read_as_it_is_rendered() -> None:
    pub = read_cron(rendered("fx-pub", "CronWorkflow"))
    assert (pub.template, pub.schedules, pub.zone.key, pub.patience) == (
        "fx-pub",
        ("5 16 * * *",),
        "Europe/Brussels",
        28500,
    )


# -- the doorbell --


def test_bell__a_lone_message_fires_at_once_and_a_burst_is_gathered() -> None:
    bell, fired = Bell("fx-sub", every=2), []
    for tenth in range(100):
        bell.rung |= tenth == 5 or 30 <= tenth < 70
        if bell.fires(tenth / 10):
            fired.append(tenth)
    assert fired == [5, 30, 40, 60, 80]  # the last one after the last message


def test_bells__listen_where_each_feed_rings() -> None:
    found = bells(find.every(["feeds", "sample_feeds"]), "x.")
    assert (found["x.fx.request"].template, found["x.fx.bell"].template) == ("fx-relay", "fx-sub")
    assert found["x.bulletin.response"].template == "bulletin-sub"
    assert "x.bulletin.request" not in found
