"""Argo's own linter reads the folder, where its CLI is installed: it knows what hera does not check."""

import shutil
import subprocess

import pytest

from workflows import render


def test_lint__finds_nothing() -> None:
    argo = shutil.which("argo")
    if argo is None:
        pytest.skip("no `argo` on the PATH: https://github.com/argoproj/argo-workflows/releases")
    command = [argo, "lint", "--offline", "--no-color", str(render.ROOT / "argo-workflows")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
