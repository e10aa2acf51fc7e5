"""The templates, played without a cluster on real servers: from a request to rows, and the promises on the way."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from confluent_kafka import Producer

from bank import ROOT, Bank
from local.argo.workflow import Workflow
from local.partners.ecb import Ecb, history
from local.servers.process import Processes
from local.world import World, play_on, world

SECONDS = 30
DAYS = [fixing["Date"] for fixing in history()[:2]]
Play = Callable[..., World]


@pytest.fixture
def play(bank: Bank, tmp_path: Path) -> Iterator[Play]:
    """A world on the session's servers, with the bank's topics and database."""
    bank.create("fx")
    with ExitStack() as stack:

        def on(ecb: Ecb, **options: Any) -> World:  # noqa: ANN401 -- those of `play_on`
            processes, prefix = stack.enter_context(Processes()), {"FEEDFALL_TOPIC_PREFIX": bank.prefix}
            options = {"settings": prefix, "backoff": 0.05, "simulators": {"ecb": ecb}, **options}
            return stack.enter_context(play_on(tmp_path, ("feeds",), processes, bank.url, bank.kafka, **options))

        yield on


def test_local__an_order_becomes_rows_by_two_doorbells(bank: Bank, play: Play) -> None:
    here = play(Ecb())
    assert post(here, "fx-pub", [f"base-date={DAYS[0]}"]) == 200
    until(lambda: complete(bank))
    assert bank.value("SELECT count(*) FROM fx_rate") > 20
    assert bank.rows("SELECT DISTINCT base_date::text FROM fx_rate") == [(DAYS[0],)]
    until(lambda: all(each.ended.is_set() for each in here.player.workflows()))
    assert {(each.template.name, each.phase) for each in here.player.workflows()} == {
        ("fx-pub", "Succeeded"),
        ("fx-relay", "Succeeded"),
        ("fx-sub", "Succeeded"),
    }
    assert bank.broken("fx") == []


def test_local__pods_know_the_calendar_files_of_whoever_plays(
    bank: Bank, play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = f'[[override]]\ncalendar = "TARGET"\nday = {DAYS[0]}\nopen = false\nreason = "drill"\n'
    (tmp_path / "own.toml").write_text(closed)
    monkeypatch.setenv("FEEDFALL_CALENDARS", os.path.relpath(tmp_path))
    here = play(Ecb())
    assert post(here, "fx-pub", [f"base-date={DAYS[0]}"]) == 200
    until(lambda: bank.rows("SELECT status FROM feedfall.run WHERE stage = 'pub'") == [("SKIPPED",)])


def test_doorbell__rings_for_what_is_committed_only(bank: Bank, play: Play) -> None:
    here, bell = play(Ecb()), bank.topic("fx", "bell")
    writer = Producer({"bootstrap.servers": bank.kafka, "transactional.id": f"{bank.prefix}writer", "log_level": 0})
    writer.init_transactions(SECONDS)
    for end, started in ((writer.commit_transaction, 1), (writer.abort_transaction, 1), (writer.commit_transaction, 2)):
        writer.begin_transaction()
        writer.produce(bell, b"{}")
        writer.flush(SECONDS)
        time.sleep(1)  # longer than a doorbell takes
        before = len(here.player.workflows())
        end(SECONDS)
        until(lambda started=started: len(here.player.workflows()) >= started)
        assert before == len(here.player.workflows()) - (end == writer.commit_transaction)


def test_local__the_sweep_starts_what_no_doorbell_did(bank: Bank, play: Play) -> None:
    here = play(Ecb(), bells=False)
    done(here, "fx-pub", {"base-date": DAYS[0]})
    for started in ("fx-relay-epoch-0-", "fx-sub-epoch-0-"):
        assert " started=1 " in result(done(here, "feedfall-sweep"))
        [swept] = [each for each in here.player.workflows() if each.name.startswith(started)]
        assert here.player.wait(swept.name, SECONDS).phase == "Succeeded"
    assert complete(bank)
    assert " due=0 " in result(done(here, "feedfall-sweep"))


def test_local__a_killed_container_is_tried_again_by_the_same_workflow(bank: Bank, play: Play) -> None:
    ecb = Ecb(delay=SECONDS)
    here = play(ecb, bells=False)
    relay = asking(here, ecb)
    ecb.delay = 0
    os.kill(relay.attempts[0].child.pid, signal.SIGKILL)
    here.player.wait(relay.name, SECONDS)
    assert [each.code for each in relay.attempts] == ["137", "0"]
    assert bank.rows("SELECT DISTINCT uid FROM feedfall.run WHERE stage = 'relay'") == [(relay.uid,)]
    assert done(here, "fx-sub").phase == "Succeeded"
    assert complete(bank)


def test_local__what_an_operator_stopped_is_not_tried_again(bank: Bank, play: Play) -> None:
    ecb = Ecb(failures=[503] * 99)
    here = play(ecb, bells=False)
    relay = asking(here, ecb)
    assert httpx.put(f"{here.api_url}/api/v1/workflows/local/{relay.name}/stop", trust_env=False).status_code == 200
    here.player.wait(relay.name, SECONDS)
    assert [each.code for each in relay.attempts] == ["143"]
    assert (relay.phase, relay.message) == ("Failed", "Stopped with strategy 'Stop'")
    ecb.failures.clear()
    assert done(here, "fx-relay").phase == "Succeeded"  # what was stopped holds nothing up


def test_world__two_side_by_side_and_again_in_the_same_folder(tmp_path: Path) -> None:
    with ExitStack() as stack:
        pair = [stack.enter_context(world(tmp_path / f"{n}", say=print, simulators={"ecb": Ecb()})) for n in range(2)]
        for here, day in zip(pair, DAYS, strict=True):
            here.player.submit("fx-pub", {"base-date": day})
        for here, day in zip(pair, DAYS, strict=True):
            until(lambda here=here, day=day: days(here) == {day})
    with world(tmp_path / "0", say=print, simulators={"ecb": Ecb()}) as here:
        assert days(here) == {DAYS[0]}
        here.player.submit("fx-pub", {"base-date": DAYS[1]})
        until(lambda: days(here) == set(DAYS))


LOCAL = """
import signal, sys
from pathlib import Path
from local.world import run_local
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background job
sys.exit(run_local(Path(sys.argv[1]), say=lambda line: print(line, flush=True)))
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (signal.SIGINT, 0),
        (signal.SIGTERM, 0),
        (signal.SIGKILL, -9),  # the guardian ends the rest
    ],
)
def test_local__leaves_nothing_behind(tmp_path: Path, end: signal.Signals, code: int) -> None:
    command = [sys.executable, "-c", LOCAL, str(tmp_path)]
    with (
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as parent,
        ended(parent),
    ):
        printed = []
        for line in parent.stdout:
            printed.append(line)
            if line.startswith("Ready."):
                break
        words = [line.split()[0] for line in printed[-6:]]
        assert words == ["Kafka", "database", "Argo's", "partner", "logs", "Ready."], "".join(printed)
        family = psutil.Process(parent.pid).children(recursive=True)
        assert {"postgres", "java"} <= {each.name() for each in family}
        parent.send_signal(end)
        assert parent.wait(SECONDS) == code
        _, alive = psutil.wait_procs(family, timeout=SECONDS)
        assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []  # only pid 1 can bury those


@contextmanager
def ended(child: subprocess.Popen[str]) -> Iterator[None]:
    """A test that fails must not wait for ever for its child."""
    try:
        yield
    finally:
        child.kill()


def post(here: World, template: str, parameters: list[str]) -> int:
    body = {"resourceKind": "WorkflowTemplate", "resourceName": template, "submitOptions": {"parameters": parameters}}
    return httpx.post(f"{here.api_url}/api/v1/workflows/local/submit", json=body, trust_env=False).status_code


def done(here: World, template: str, parameters: dict[str, str] | None = None) -> Workflow:
    return here.player.wait(here.player.submit(template, parameters).name, SECONDS)


def asking(here: World, ecb: Ecb) -> Workflow:
    """A relay that waits for its partner's answer."""
    done(here, "fx-pub", {"base-date": DAYS[0]})
    relay = here.player.submit("fx-relay")
    until(lambda: ecb.requests)
    return relay


def result(workflow: Workflow) -> str:
    return workflow.attempts[-1].log.read_text().splitlines()[-1]


def complete(bank: Bank) -> bool:
    return bank.rows("SELECT status FROM feedfall.request") == [("complete",)]


def days(here: World) -> set[str]:
    with psycopg.connect(here.database_url) as connection:
        return {found for (found,) in connection.execute("SELECT DISTINCT base_date::text FROM fx_rate")}


def until(reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)
