"""Through a real PgBouncer in transaction mode (Debian's package pgbouncer)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest
from typer.testing import CliRunner

from bank import Bank, Door
from cli.__main__ import app
from ledger.rights import Roles
from local.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not shutil.which("pgbouncer"), reason="needs PgBouncer: apt-get install pgbouncer")


@dataclass
class Pooler:
    """A bank whose pods and people reach the database through the pooler."""

    bank: Bank
    port: int

    def through(self, url: str) -> str:
        return url.replace(f":{urlsplit(url).port}/", f":{self.port}/")


@contextmanager
def pooling(bank: Bank, folder: Path, *lines: str) -> Iterator[Pooler]:
    server, port = urlsplit(bank.url), free_port()
    roles = Roles()
    users = {server.username: server.password, **{name: name for name in roles.names()}}
    (folder / "users.txt").write_text("".join(f'"{name}" "{password}"\n' for name, password in users.items()))
    (folder / "pgbouncer.ini").write_text(
        f"""[databases]
* = host=127.0.0.1 port={server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 3
"""
        + "".join(f"{line}\n" for line in lines)
    )
    if os.geteuid() == 0:
        for each in (folder, *folder.iterdir()):
            shutil.chown(each, "postgres")
        for parent in folder.parents[:3]:
            parent.chmod(0o755)
    command = ["pgbouncer", *(["-u", "postgres"] if os.geteuid() == 0 else []), str(folder / "pgbouncer.ini")]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        pooler = Pooler(bank, port)
        try:
            _wait(pooler.through(bank.url))
            environ = {name: pooler.through(url) for name, url in bank.environ.items() if name == "DATABASE_URL"}
            bank.environ |= environ
            bank.pod_url = pooler.through(bank.pod_url)
            yield pooler
        finally:
            process.terminate()


def _wait(url: str) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            return psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


IGNORED = "ignore_startup_parameters = options"


def ticks(bank: Bank, count: int, first: int = 0) -> None:
    bank.respond(
        "tick", [{"symbol": f"S{n}", "price": "1", "volume": n, "note": None} for n in range(first, first + count)]
    )


def test_pgbouncer__that_refuses_the_start_up_options_is_a_setting(bank: Bank, door: Door, tmp_path: Path) -> None:
    bank.create("tick")
    with pooling(bank, tmp_path):
        ended = door("sub", "--feed=tick")
    assert (ended.exit, IGNORED in ended.words["reason"]) == (78, True)


def test_pgbouncer__that_drops_them_is_refused_until_the_roles_have_them(
    bank: Bank, door: Door, tmp_path: Path
) -> None:
    bank.create("tick")
    with pooling(bank, tmp_path, IGNORED):
        ended = door("sub", "--feed=tick")
    assert (ended.exit, "ALTER ROLE feedfall_pod SET idle_in_transaction_session_timeout" in ended.words["reason"]) == (
        78,
        True,
    )


@pytest.fixture
def pooled(bank: Bank, tmp_path: Path) -> Iterator[Bank]:
    """As docs/operate.md says to set it up."""
    printed = CliRunner().invoke(app, ["schema", "--rights", "--pooler"], env=bank.environ).stdout
    bank.rows(printed)
    bank.create("tick")
    with pooling(bank, tmp_path, IGNORED):
        yield bank


def test_pgbouncer__ten_runs_over_three_sessions_load_each_row_once(pooled: Bank, door: Door) -> None:
    """More statements than a prepared one needs, and sessions that other clients used before."""
    for n in range(10):
        ticks(pooled, 250, n * 250)
        assert door("sub", "--feed=tick").counts("loaded") == [250]
    assert pooled.broken("tick") == []


def test_pgbouncer__a_hold_and_a_lease_hold(pooled: Bank, door: Door) -> None:
    ticks(pooled, 500)
    runner = CliRunner()
    assert runner.invoke(app, ["hold", "tick", "--reason=x"], env=pooled.environ).exit_code == 0
    assert door("sub", "--feed=tick").status == "HELD"
    assert runner.invoke(app, ["free", "tick", "--reason=x"], env=pooled.environ).exit_code == 0
    pods = [pooled.start("sub", "--feed=tick") for _ in range(4)]
    lines = [pod.communicate(timeout=60)[0].splitlines()[-1] for pod in pods]
    assert sum(int(line.split("loaded=")[1].split()[0]) for line in lines) == 500, lines
    assert pooled.broken("tick") == []


def test_pgbouncer__redrive_verify_and_a_merge(pooled: Bank, door: Door) -> None:
    pooled.create("fx", partitions=1)
    row = {"base_date": "2026-10-30", "currency": "KRW", "rate": "1"}
    for rate in ("1", "2", "N.A."):
        pooled.respond("fx", [{**row, "rate": rate}])
    assert door("sub", "--feed=fx").counts("loaded", "superseded", "quarantined") == [1, 1, 1]
    words = ["quarantine", "redrive", "fx", "0@2", "--value=-", "--reason=x"]
    done = CliRunner().invoke(app, words, env=pooled.environ, input=json.dumps({**row, "rate": "3"}))
    assert done.exit_code == 0, done.output
    assert "Proven" in CliRunner().invoke(app, ["verify", "fx"], env=pooled.environ).stdout
    assert pooled.value("SELECT rate::int FROM fx_rate") == 3


def test_pgbouncer__a_deep_proof_says_that_it_needs_a_direct_address(pooled: Bank, door: Door) -> None:
    """Its tables live in a session. Other clients take turns, so that its next transaction is another session's."""
    ticks(pooled, 2000)
    door("sub", "--feed=tick")
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            with psycopg.connect(pooled.environ["DATABASE_URL"], autocommit=True) as connection:
                connection.execute("SELECT pg_sleep(0.01)")

    others = [threading.Thread(target=busy) for _ in range(4)]
    for each in others:
        each.start()
    try:
        done = CliRunner().invoke(app, ["verify", "tick", "--deep"], env=pooled.environ)
    finally:
        stop.set()
        for each in others:
            each.join()
    assert "a direct address" in str(done.exception)
