"""Each verb by the service equals the command at the keyboard: rows in the ledger, words, exit code."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bank import ROOT, Bank
from calendar_service import certificate
from desk_service import APPROVER, VIEWER, DeskService, desk_service
from local.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REASON = "대외기관 장애 <b>&'\"$(id)`"


@pytest.fixture
def service(bank: Bank, tmp_path: Path) -> Iterator[DeskService]:
    """A service that has the bank's database, and no Argo."""
    with desk_service(bank.environment(), tmp_path) as found:
        yield found


@pytest.fixture
def nobody(tmp_path: Path) -> DeskService:
    """An address where nobody listens."""
    return DeskService(f"http://127.0.0.1:{free_port()}", tmp_path)


def local(bank: Bank, *words: str) -> tuple[int, str, str]:
    """The command at the keyboard of the same bank."""
    command, own = [sys.executable, "-m", "cli", *words], bank.environment(FEEDFALL_BY="kim")
    done = subprocess.run(command, env=own, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


def timeless(ended: tuple[int, str, str]) -> tuple[int, str, str]:
    """Without the moments at which the two were done."""
    code, *texts = ended
    out, err = (re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "WHEN", text) for text in texts)
    return code, out, err


def journal(bank: Bank) -> list[tuple[object, ...]]:
    return [*bank.rows("SELECT verb, feed, who, reason FROM feedfall.journal ORDER BY id")]


#: A command, and its exit code.
COMMANDS = (
    (("hold", "fx", "--reason", REASON), 0),
    (("free", "fx", "--reason", REASON), 0),
    (("free", "fx", "--reason", REASON), 0),  # nothing to lift
    (("hold", "no-such-feed", "--reason", REASON), 78),
    (("hold", "fx", "--reason", "bidi \u202e text"), 78),  # it cannot be seen
    (("hold", "--reason", REASON), None),  # without a feed
    (("free", "--all", "--reason", REASON), None),  # of what?
    (("free", "--all", "--code", "78", "--reason", REASON), 0),
    (("free", "--all", "--code", "1", "--reason", REASON), 78),  # blocks nothing
    (("runs",), 0),
    (("runs", "fx", "--json"), 0),
    (("runs", "--limit", "3"), 0),
    (("absent",), 0),
    (("lag",), 0),
    (("approvals",), 0),
    (("quarantine", "list", "fx"), 0),
    (("quarantine", "show", "fx", "0@1"), 78),  # there is none
)


def test_commands__print_and_exit_as_at_the_keyboard(bank: Bank, service: DeskService) -> None:
    there = [service.run(*words) for words, _ in COMMANDS]
    mark = journal(bank)
    here = [local(bank, *words) for words, _ in COMMANDS]
    assert list(map(timeless, there)) == list(map(timeless, here))
    assert journal(bank)[len(mark) :] == mark
    ended = zip(COMMANDS, here, strict=True)
    assert [(words, code) for (words, wanted), (code, _, _) in ended if wanted not in (None, code)] == []


def test_act__is_the_holders_whatever_the_client_calls_itself(bank: Bank, service: DeskService) -> None:
    assert service.run("hold", "fx", "--reason", "x", "--by", "the president")[0] == 0
    lines = bank.rows("SELECT DISTINCT who, signed_in, acted_as, channel, address FROM feedfall.journal")
    assert lines == [("the president", "kim", "operator", "api", "127.0.0.1")]


@pytest.mark.parametrize(
    ("words", "token", "said"),
    [
        (
            ("hold", "fx", "--reason", "x"),
            VIEWER,
            "hold needs the role operator: the token of park is a viewer's (403)",
        ),
        (("hold", "fx", "--reason", "x"), "a-token-that-served-until-2020", "served until 2020-12-31"),
        (("hold", "fx", "--reason", "x"), "a-token-of-nobody-at-all-000000", "a token is required"),
        (("runs",), "a-token-of-nobody-at-all-000000", "a token is required"),
    ],
)
def test_command__without_the_right_is_78_and_nothing_is_done(
    bank: Bank, service: DeskService, words: tuple[str, ...], token: str, said: str
) -> None:
    code, stdout, stderr = service.run(*words, token=token)
    assert (code, stdout, said in stderr, token in stderr) == (78, "", True, False)
    assert journal(bank) == []


def test_viewer__may_look(service: DeskService) -> None:
    assert service.run("runs", token=VIEWER)[:2] == (0, "No run yet.\n")


def test_approver__may_act(service: DeskService) -> None:
    assert service.run("hold", "fx", "--reason", "x", token=APPROVER)[0] == 0


def test_accept__takes_two_people_from_outside_too(bank: Bank, service: DeskService) -> None:
    ask = ("accept", "fx", "--date=2026-10-30", "--reason", "the partner is closed")
    code, stdout, _ = service.run(*ask, token=APPROVER)
    assert (code, stdout.split()[1]) == (77, "status=ASKED")
    assert service.run("approve", "--reason", "sure", token=APPROVER)[0] == 77  # who asked
    assert service.run("approve", "--reason", "sure")[0] == 78  # an operator
    assert bank.rows("SELECT feed FROM feedfall.acceptance") == []
    other = APPROVER[::-1]
    (service.folder / "tokens" / "choi").write_text(f"{other}\nrole = approver\n")
    assert service.run("approve", "--reason", "called them", token=other)[0] == 0
    assert bank.rows("SELECT who, approval FROM feedfall.acceptance") == [("lee", 1)]
    lines = bank.rows("SELECT asked_by, decided_by, asked_channel FROM feedfall.approval")
    assert lines == [("lee", "choi", "api")]


@pytest.mark.parametrize("words", [("today",), ("why", "fx"), ("audit",), ("handover",)])
def test_question__of_the_desk_has_the_form_that_it_has_at_the_keyboard(
    bank: Bank, service: DeskService, words: tuple[str, ...]
) -> None:
    there, here = service.run(*words, "--json", token=VIEWER), local(bank, *words, "--json")
    assert (there[0], shape(json.loads(there[1]))) == (here[0], shape(json.loads(here[1])))


def shape(found: object) -> object:
    """Without what changes from moment to moment."""
    if isinstance(found, dict):
        return {name: shape(each) for name, each in found.items()}
    return [shape(each) for each in found] if isinstance(found, list) else type(found)


def test_act__of_a_database_that_is_away_is_75(bank: Bank, tmp_path: Path) -> None:
    away = bank.environment(DATABASE_URL=f"postgresql://feedfall@127.0.0.1:{free_port()}/none")
    with desk_service(away, tmp_path) as service:
        code, stdout, stderr = service.run("hold", "fx", "--reason", "x")
        answer = service.call("POST", "/api/acts/hold", json={"feed": "fx", "reason": "x"})
    assert (code, stdout, "127.0.0.1" in stderr) == (75, "", True)
    assert (answer.status_code, answer.json()["exit"]) == (503, 75)


def test_act__under_a_key_is_done_once(bank: Bank, service: DeskService) -> None:
    for _ in range(2):
        assert service.run("hold", "fx", "--reason", "x", FEEDFALL_KEY="20261030-0a1b2")[0] == 0
    assert [line[0] for line in journal(bank)] == ["hold", "hold"]  # what was intended, and what was done
    assert service.run("hold", "fx", "--reason", "y", FEEDFALL_KEY="20261030-0a1b2")[0] == 78  # another act


def test_service__is_reached_over_tls_alone_from_elsewhere(tmp_path: Path) -> None:
    code, _, stderr = DeskService("http://feedfall.bank", tmp_path).run("runs")
    assert (code, "must begin with https://" in stderr) == (78, True)


def test_service__of_another_certificate_is_not_trusted(bank: Bank, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    other, _ = certificate(tmp_path / "other")
    tls = {"FEEDFALL_TLS_CERT_FILE": str(cert), "FEEDFALL_TLS_KEY_FILE": str(key)}
    with desk_service(bank.environment(), tmp_path, ca=cert, **tls) as service:
        assert service.run("hold", "fx", "--reason", "x")[0] == 0
        for ca in (other, None):
            code, _, stderr = DeskService(service.url, tmp_path, ca).run("free", "fx", "--reason", "x")
            assert (code, "CERTIFICATE_VERIFY_FAILED" in stderr) == (75, True)
    assert {line[0] for line in journal(bank)} == {"hold"}


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("FEEDFALL_TOKEN_FILE", "", "not set: FEEDFALL_TOKEN_FILE"),
        ("FEEDFALL_TOKEN_FILE", "/nowhere", "the file of FEEDFALL_TOKEN_FILE cannot be read: FileNotFoundError"),
        ("FEEDFALL_URL", "https://kim:secret@feedfall.bank", "is no address such as"),
        ("FEEDFALL_URL", "feedfall.bank", "is no address such as"),
        ("FEEDFALL_URL_CA_FILE", "/nowhere", "the file of FEEDFALL_URL_CA_FILE cannot be used"),
    ],
)
def test_setting__that_is_wrong_is_78_and_named(nobody: DeskService, variable: str, value: str, said: str) -> None:
    code, _, stderr = nobody.run("runs", **{variable: value})
    assert (code, said in stderr, "secret" in stderr) == (78, True, False)


# -- how it is started --


@pytest.mark.parametrize(
    ("environ", "words", "said"),
    [
        ({}, (), "not set: FEEDFALL_DESK_TOKENS"),
        ({"FEEDFALL_DESK_TOKENS": "/nowhere"}, (), "FEEDFALL_DESK_TOKENS is /nowhere: no such folder"),
        ({"FEEDFALL_DESK_TOKENS": "{folder}"}, ("--host=0.0.0.0",), "set FEEDFALL_TLS_CERT_FILE"),
    ],
)
def test_serve__refuses_to_begin_without(
    tmp_path: Path, environ: dict[str, str], words: tuple[str, ...], said: str
) -> None:
    own = {**os.environ, **{name: value.format(folder=tmp_path) for name, value in environ.items()}}
    command = [sys.executable, "-m", "cli", "serve", "--desk", f"--port={free_port()}", *words]
    done = subprocess.run(command, env=own, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
    assert (done.returncode, said in done.stderr) == (78, True)


def test_service__of_silence_does_not_hold_a_person_who_gives_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        command = DeskService(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path).start(
            "hold", "fx", "--reason", "x"
        )
        connection, _ = silent.accept()
        command.terminate()
        command.communicate(timeout=20)
        connection.close()
    assert command.returncode != 0
