"""`feedfall calendar`, as an operator types it: in this process, or as a process that fails."""

import os
import subprocess
import sys

from typer.testing import CliRunner, Result

import business_day
from bank import ROOT
from cli.__main__ import app

BANK = business_day.calendar("BANK")


def calendar(*words: str, stdin: str | None = None, **env: str) -> Result:
    return CliRunner().invoke(app, ["calendar", *words], env=env, input=stdin, catch_exceptions=False)


def refused(*words: str, **env: str) -> str:
    """The command's last words, as a process that leaves with 78."""
    whole = [sys.executable, "-m", "cli", "calendar", *words]
    environ = {"PATH": os.environ["PATH"], **env}
    ended = subprocess.run(whole, env=environ, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert (ended.returncode, ended.stdout) == (78, "")
    return ended.stderr
