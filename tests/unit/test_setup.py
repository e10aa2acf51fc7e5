"""The set-up on machines that lack something: it says what to do, and leaves nothing half made."""

import subprocess
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "requirements" / "setup.sh"


def set_up(tmp_path: Path, python: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **environ}
    command = ["sh", str(SETUP), python, str(tmp_path / "venv")]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)


def python_that(tmp_path: Path, lacks: str) -> str:
    """A Python whose modules named in `lacks` fail, as on a machine without them."""
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\ncase "$*" in {lacks}) exit 1;; esac\nexec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    return str(script)


#: What a machine lacks → what the set-up says.
LACKING = {
    "no Python at all": ("/nowhere/python3", "make PYTHON=/path/to/python3"),
    "a Python too old": ("old", "is not 3.11 to 3.13"),
    "neither venv nor virtualenv": ("bare", "apt-get install python3-venv"),
}


@pytest.mark.parametrize("what", LACKING)
def test_setup__says_what_to_install(tmp_path: Path, what: str) -> None:
    python, advice = LACKING[what]
    lacks = {"old": "*version_info*", "bare": '"-m venv"*|"-m virtualenv"*'}
    done = set_up(tmp_path, python_that(tmp_path, lacks[python]) if python in lacks else python)
    assert (done.returncode, advice in done.stderr) == (1, True), done.stderr
    assert not (tmp_path / "venv" / "bin" / "feedfall").exists()


def test_setup__an_unreachable_index_is_explained(tmp_path: Path) -> None:
    done = set_up(
        tmp_path, sys.executable, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0", PIP_NO_CACHE_DIR="1"
    )
    assert (done.returncode, "PIP_INDEX_URL" in done.stderr) == (1, True), done.stderr
    assert not (tmp_path / "venv" / "bin" / "feedfall").exists()
