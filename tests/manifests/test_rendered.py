"""`argo-workflows/` and `argo-events/` are what `make render` writes: the same bytes here, in CI, on any machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from catalog import find
from workflows import render

ROOT = Path(__file__).parents[2]


def test_folders__are_what_would_be_rendered_byte_for_byte() -> None:
    assert render.compare(ROOT, render.render(find.PACKAGES)) == []


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_render__writes_the_same_bytes_whatever_the_hash_seed(tmp_path: Path, seed: str) -> None:
    command = [sys.executable, "-m", "workflows.render", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True)
    assert _bytes(tmp_path) == _bytes(ROOT)


def test_check__names_a_planted_change_and_leaves_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    render.main([str(tmp_path)])
    changed = tmp_path / "argo-workflows/fx-sub.workflowtemplate.yaml"
    changed.write_text(changed.read_text().replace("runAsNonRoot: true", "runAsNonRoot: false"))
    before = changed.read_bytes()
    capsys.readouterr()
    assert render.main(["--check", str(tmp_path)]) == 1
    assert capsys.readouterr().out == f"differs {changed}\n"
    assert changed.read_bytes() == before


def test_check__is_silent_when_nothing_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    render.main([str(tmp_path)])
    capsys.readouterr()
    assert (render.main(["--check", str(tmp_path)]), capsys.readouterr().out) == (0, "")


def test_check__names_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    render.main([str(tmp_path)])
    (tmp_path / "argo-events/rights.yaml").unlink()
    capsys.readouterr()
    assert render.main(["--check", str(tmp_path)]) == 1
    assert capsys.readouterr().out == f"differs {tmp_path / 'argo-events/rights.yaml'}\n"


def test_render__removes_what_it_once_wrote_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "argo-workflows"
    folder.mkdir()
    stale, foreign = folder / "gone-sub.workflowtemplate.yaml", folder / "ours.yaml"
    stale.write_text(f"{render.HEADER}kind: WorkflowTemplate\n")
    foreign.write_text("kind: ConfigMap\n")
    render.main([str(tmp_path)])
    assert (stale.exists(), foreign.exists()) == (False, True)


def test_render__touches_no_file_that_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    render.main([str(tmp_path)])
    capsys.readouterr()
    render.main([str(tmp_path)])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("", find.PACKAGES),
        ("acme.feeds", ["acme.feeds"]),
        ("feeds, acme.feeds", ["feeds", "acme.feeds"]),
    ],
)
def test_packages__come_from_the_setting(setting: str, expected: list[str]) -> None:
    assert render.packages(setting) == expected


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("argo-*/**/*.yaml")}
