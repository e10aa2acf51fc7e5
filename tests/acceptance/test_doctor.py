"""`feedfall doctor`: each of its lines is made wrong once, on real servers; one fault hides no other."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # they are re-exported
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)
from typer.testing import CliRunner

from bank import Bank, as_role
from catalog import find
from cli.__main__ import app
from ledger import doctor as ledger_doctor
from ledger import rights
from operate import doctor_clocks, doctor_topics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Lines = dict[str, list[tuple[str, str]]]

STRICT = {"workflowRestrictions": "templateReferencing: Strict"}


def doctor(bank: Bank, *words: str, **environ: str) -> tuple[int, Lines]:
    """Exit code; what was looked at → its lines. As a pod's role, and without Argo's controller."""
    where = {**bank.environ, "DATABASE_URL": bank.pod_url, **environ}
    done = CliRunner().invoke(app, ["doctor", "--controller-config=", *words, "--json"], env=where)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    found: Lines = {}
    for each in json.loads(done.stdout):
        found.setdefault(each["subject"], []).append((each["state"], each["words"]))
    return done.exit_code, found


def states(found: Lines) -> set[str]:
    return {state for lines in found.values() for state, _ in lines}


@pytest.fixture
def fx(bank: Bank) -> Bank:
    bank.create("fx")
    return bank


def alter(bank: Bank, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    for future in bank.admin.incremental_alter_configs([resource]).values():
        future.result()


def test_doctor__says_ok_of_everything(fx: Bank) -> None:
    alter(fx, fx.topic("fx"), "message.timestamp.type", "LogAppendTime")
    code, found = doctor(fx, "fx")
    assert (code, states(found)) == (0, {"ok", "advice"})
    assert {subject for subject, lines in found.items() if lines[0][0] == "advice"} == {"Argo", "Argo's controller"}
    topics = {f"topic {fx.topic('fx', kind)}" for kind in ("request", "response", "bell")}
    assert topics < {*found}
    wanted = {"settings", "feed fx", "database", "schema", "rights", "table fx_rate", "Kafka", "clock of the database"}
    assert wanted < {*found}


def test_doctor__prints_a_line_for_each(fx: Bank) -> None:
    done = CliRunner().invoke(app, ["doctor", "fx", "--controller-config="], env=fx.environ)
    lines = done.stdout.splitlines()
    assert (done.exit_code, lines[0].split()) == (0, ["state", "what", "it", "says"])
    assert [line.split()[:2] for line in lines if "all that" in line] == [["ok", "settings"], ["ok", "rights"]]


def test_doctor__changes_nothing(fx: Bank) -> None:
    doctor(fx)
    assert fx.rows("SELECT 1 FROM feedfall.run UNION SELECT 1 FROM feedfall.journal") == []


@pytest.mark.parametrize(
    ("environ", "subject", "state", "says"),
    [
        ({"KAFKA_BOOTSTRAP_SERVERS": ""}, "Kafka", "to do", "not set: KAFKA_BOOTSTRAP_SERVERS"),
        ({"DATABASE_URL": ""}, "database", "to do", "not set: DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://x:sesame@127.0.0.1:1/x"}, "database", "not reached", "out of reach"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "Kafka", "not reached", "out of reach"),
        ({"FEEDFALL_LEASE_SECONDS": "soon"}, "settings", "to do", "FEEDFALL_LEASE_SECONDS is 'soon'"),
        ({"FEEDFALL_FEEDS": "no_such_package"}, "feeds", "to do", "FEEDFALL_FEEDS names no_such_package"),
        ({"ARGO_SERVER": "http://127.0.0.1:1", "ARGO_NAMESPACE": "bank"}, "Argo", "not reached", "out of reach"),
        ({"ARGO_SERVER": "http://127.0.0.1:1"}, "Argo", "to do", "not set: ARGO_NAMESPACE"),
    ],
)
def test_doctor__a_setting_that_is_wrong_hides_nothing_else(
    fx: Bank, environ: dict[str, str], subject: str, state: str, says: str
) -> None:
    code, found = doctor(fx, **environ)
    assert any(each == state and says in words for each, words in found[subject]), found[subject]
    missing = {state for lines in found.values() for state, _ in lines} - {"ok", "advice"}
    assert code == (78 if "to do" in missing else 75)
    assert "sesame" not in json.dumps(found)
    still = {"database", "Kafka", "feeds"} - {subject}
    assert {found[each][0][0] for each in still} == {"ok"}


def test_doctor__of_a_feed_that_is_not_there(fx: Bank) -> None:
    code, found = doctor(fx, "gold")
    assert (code, found["feed gold"][0][0], found["database"][0][0]) == (78, "to do", "ok")


@pytest.mark.parametrize(
    ("statement", "subject", "says"),
    [
        ("DROP SCHEMA feedfall CASCADE", "schema", "the database has no ledger"),
        ("DROP SCHEMA feedfall CASCADE", "rights", "there are no tables to have rights on"),
        ("DROP TABLE fx_rate", "table fx_rate", "table fx_rate does not exist"),
        ("DELETE FROM feedfall.schema WHERE version > 2", "schema", "run `feedfall migrate` first"),
        ("UPDATE feedfall.schema SET oldest_code = 99", "schema", "use a newer image"),
        ("ALTER TABLE fx_rate DROP rate", "table fx_rate", "table fx_rate has no column rate"),
        ("REVOKE UPDATE ON fx_rate FROM feedfall_pod", "rights", "the duty pod needs UPDATE on fx_rate"),
        ("REVOKE INSERT (who) ON feedfall.journal FROM feedfall_pod", "rights", "INSERT who on feedfall.journal"),
        ("REVOKE USAGE ON SCHEMA feedfall FROM feedfall_pod", "schema", "the database role lacks a right"),
    ],
)
def test_doctor__of_the_database(fx: Bank, statement: str, subject: str, says: str) -> None:
    fx.rows(statement)
    code, found = doctor(fx, "fx")
    assert (code, [state for state, words in found[subject] if says in words]) == (78, ["to do"]), found
    assert found["Kafka"][0][0] == "ok"


def test_doctor__of_a_role_that_may_do_too_much_or_too_little(fx: Bank) -> None:
    _, found = doctor(fx, "fx", DATABASE_URL=fx.url)
    assert [state for state, words in found["database"] if "a superuser" in words] == ["advice"]
    assert doctor(fx, "fx", "--duty=operator")[1]["rights"][0][0] == "to do"
    operator = doctor(fx, "fx", "--duty=operator", DATABASE_URL=fx.environ["DATABASE_URL"])
    assert operator[1]["rights"] == [("ok", "all that the duty operator needs")]


@pytest.mark.parametrize("duty", ledger_doctor.DUTIES)
def test_rights__each_duty_is_read_from_the_grants_and_has_what_it_needs(fx: Bank, duty: str) -> None:
    """A pattern that reads no GRANT any more would find that nothing is missing."""
    feeds = [find.load("fx", ("feeds",))]
    wanted = ledger_doctor.rights_of(duty, feeds)
    assert len(wanted) > 10
    assert duty == "service" or ledger_doctor.Right("SELECT", "fx_rate") in [
        ledger_doctor.Right(each.privilege, each.place.replace('"', ""), each.name) for each in wanted
    ]
    _, found = doctor(fx, "fx", f"--duty={duty}", DATABASE_URL=as_role(fx.url, f"feedfall_{duty}"))
    assert found["rights"] == [("ok", f"all that the duty {duty} needs")]


def test_rights__every_grant_of_a_table_is_read() -> None:
    text = rights.pod([], "pod")
    granted = sum(part.count("(") or 1 for part in text.split("GRANT ")[1:])
    assert granted > 10
    places = {each.place for each in ledger_doctor.rights_of("pod", [])}
    assert {word.rstrip(",") for word in text.split() if word.startswith("feedfall.")} == places


@pytest.mark.parametrize(
    ("kind", "name", "value", "state", "says"),
    [
        ("request", "cleanup.policy", "compact", "to do", "cleanup.policy is compact"),
        ("response", "cleanup.policy", "compact,delete", "to do", "removes messages unread"),
        ("response", "retention.ms", "3600000", "to do", "retention.ms keeps 1 hours, and 168 are wanted"),
        ("response", "retention.bytes", "1000000", "advice", "retention.bytes is 1,000,000"),
        ("response", "max.message.bytes", "20000000", "to do", "max.message.bytes is 20,000,000"),
        ("response", "max.message.bytes", "100000", "to do", "relay may write 1,000,000"),
        ("response", "message.timestamp.type", "CreateTime", "advice", "LogAppendTime: the broker's clock"),
    ],
)
def test_doctor__of_a_topic(fx: Bank, kind: str, name: str, value: str, state: str, says: str) -> None:
    alter(fx, fx.topic("fx", kind), name, value)
    code, found = doctor(fx, "fx")
    lines = found[f"topic {fx.topic('fx', kind)}"]
    assert (code, [each for each, words in lines if says in words]) == (78 if state == "to do" else 0, [state]), lines


def test_doctor__of_a_window(fx: Bank) -> None:
    alter(fx, fx.topic("fx"), "retention.ms", "3600000")
    assert doctor(fx, "fx", "--window=1h")[0] == 0
    alter(fx, fx.topic("fx"), "retention.ms", "-1")
    assert doctor(fx, "fx", "--window=10000h")[0] == 78  # the request topic's week


def test_doctor__of_a_topic_that_is_missing(bank: Bank) -> None:
    bank.create_topics({bank.topic("fx"): 1, bank.topic("fx", "request"): 1})
    code, found = doctor(bank, "fx")
    [(state, words)] = found[f"topic {bank.topic('fx', 'bell')}"]
    assert (code, state) == (78, "to do")
    assert "does not exist, or this user may not see it" in words
    assert found[f"topic {bank.topic('fx')}"][0] == ("ok", "1 partitions")


def test_topics__need_a_partition_for_each_pod() -> None:
    feed = replace(find.load("fx", ("feeds",)), parallel=4)
    assert doctor_topics.partitions(feed, "response", 3) == (
        "to do",
        "3 partitions for 4 pods: add partitions, or lower Feed(parallel=)",
    )
    assert doctor_topics.partitions(feed, "bell", 1) == ("ok", "1 partitions")


# -- Argo, and the clocks --


@contextmanager
def argo(status: int = 200, ahead: float = 0.0) -> Iterator[dict[str, str]]:
    """An Argo Server that has no Workflow, and another clock."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"items": null, "message": "no"}'
            self.send_response_only(status)
            self.send_header("Date", format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield {"ARGO_SERVER": f"http://127.0.0.1:{server.server_port}", "ARGO_NAMESPACE": "bank", "ARGO_TOKEN": "sesame"}
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "ahead", "code", "states"),
    [(200, 0, 0, ("ok", "ok")), (403, 0, 78, ("to do", "to do")), (503, 0, 75, ("not reached", "not reached")),
     (200, 60, 78, ("ok", "to do")), (200, -60, 78, ("ok", "to do"))],
)  # fmt: skip
def test_doctor__of_argo_and_its_clock(fx: Bank, status: int, ahead: float, code: int, states: tuple[str, str]) -> None:
    with argo(status, ahead) as environ:
        done, found = doctor(fx, "fx", **environ)
    assert (done, found["Argo"][0][0], found["clock of Argo"][0][0]) == (code, *states), found
    assert "sesame" not in json.dumps(found)


@pytest.mark.parametrize(("data", "code", "state"), [(STRICT, 0, "ok"), ({}, 78, "to do"), (None, 75, "not reached")])
def test_doctor__of_argos_controller(
    fx: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: object, code: int, state: str
) -> None:
    """kubectl is a script here: what it answers is Kubernetes' own form."""
    kubectl = tmp_path / "kubectl"
    answer = "exit 1" if data is None else f"echo '{json.dumps({'data': data})}'"
    kubectl.write_text(f"#!/bin/sh\n{answer}\n")
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    done, found = doctor(fx, "fx", "--controller-config=argo/own")
    assert (done, found["Argo's controller"][0][0]) == (code, state), found


def test_doctor__of_a_message_from_the_future(fx: Bank) -> None:
    fx.producer.produce(fx.topic("fx"), b"{}", timestamp=int((datetime.now(UTC).timestamp() + 3600) * 1000))
    fx.producer.flush(10)
    code, found = doctor(fx, "fx")
    [(state, words)] = found[f"clock behind {fx.topic('fx')}"]
    assert (code, state, "s in the future" in words) == (78, "to do", True)


@pytest.mark.parametrize(("apart", "state"), [(0, "ok"), (4.9, "ok"), (-4.9, "ok"), (6, "to do"), (-6, "to do")])
def test_clocks__may_be_five_seconds_apart(apart: float, state: str) -> None:
    """The database's is this machine's in the tests: its clock is handed in."""
    now = datetime(2026, 11, 24, tzinfo=UTC)
    found, words = doctor_clocks.compare(now + timedelta(seconds=apart), now, now)
    assert (found, "ahead of" in words, "behind" in words) == (state, apart > 5, apart < -5)


def test_doctor__names_a_calendar_that_there_is_not(fx: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "krxx_feeds").mkdir()
    (tmp_path / "krxx_feeds/__init__.py").touch()
    words = "from dataclasses import replace\nfrom feeds.fx import FX as fx\n"
    (tmp_path / "krxx_feeds/gold.py").write_text(f"{words}G = replace(fx, name='gold', table='gold', calendar='KRXX')")
    monkeypatch.syspath_prepend(tmp_path)
    _, found = doctor(fx, "gold", FEEDFALL_FEEDS="krxx_feeds")
    ((state, said),) = found["feed gold"]
    assert state == "to do"
    assert "KRXX" in said
    assert "TARGET" in said  # and which there are
