"""deploy/control-m through the classes of BMC's own client (PyPI), in a virtual environment of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted((HERE.parents[1] / "deploy" / "control-m").glob("*.json"))
CLIENT = ("ctm-python-client==2.6.6", "python-dateutil")  # it imports dateutil, and does not say so


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the client; skipped where the package index is out of reach."""
    folder = tmp_path_factory.mktemp("client")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    if subprocess.run([python, "-m", "pip", "install", "-q", *CLIENT], check=False).returncode:
        pytest.skip("the package index does not give ctm-python-client")
    return python


def read(client: Path, *files: Path) -> str:
    done = subprocess.run([client, HERE / "control_m_client.py", *files], capture_output=True, text=True, check=False)
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


def test_definitions__come_back_from_bmcs_classes_as_they_were(client: Path) -> None:
    assert read(client, *FILES) == ""


@pytest.mark.parametrize(
    ("word", "other", "error"),
    [
        ('"Command":', '"Comand":', "KeyError: 'Comand'"),
        ('"Times"', '"Time"', "KeyError: 'Time'"),
        ('"Regular"', '"High"', "ValueError: 'High' is not a valid ActionNotify.Urgency"),
        ('"Action:Rerun"', '"Action:ReRun"', "KeyError: 'Action:ReRun'"),
    ],
)
def test_bmcs_classes__refuse(client: Path, tmp_path: Path, word: str, other: str, error: str) -> None:
    changed = tmp_path / "changed.json"
    changed.write_text(FILES[0].read_text().replace(word, other))
    assert read(client, changed) == error
