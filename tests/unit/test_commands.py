"""A command imports what it needs: at 3 a.m. nobody waits for another command's libraries."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from cli.__main__ import app
from cli.commands import COMMANDS
from cli.why import COMMANDS as VERB_COMMANDS
from operate.desk.verbs import VERBS

#: They need a database alone.
OF_THE_DESK = ("today", "why", "audit", "handover", "runs", "absent", "newest")
HEAVY = ("confluent_kafka", "httpx", "hera", "fastapi", "yaml", "stamina")
LOOK = """
import sys
from cli.__main__ import app
from typer.main import get_command
assert get_command(app).get_command(None, sys.argv[1])
print(*sorted(set(sys.argv[2:]) & set(sys.modules)))
"""


@pytest.mark.parametrize("name", OF_THE_DESK)
def test_command__of_the_desk_imports_no_client_of_kafka_or_argo(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", LOOK, name, *HEAVY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_verbs__each_has_a_command_that_is_there() -> None:
    assert {verb for verbs in VERBS.values() for verb in verbs} <= set(VERB_COMMANDS)
    assert {text.split()[1] for text in VERB_COMMANDS.values()} <= set(COMMANDS)


def test_commands__every_one_of_the_table_is_there() -> None:
    for where in COMMANDS.values():
        module, _, name = where.partition(":")
        assert getattr(import_module(module), name)
    assert app.info.help
