"""What is tracked: no large binary, no long file, and one version everywhere."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LARGEST = 500_000
MOST_LINES = 300


def tracked(root: Path = ROOT) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    return [root / name for name in listed.decode().split("\0") if name]


def large_binaries(files: list[Path]) -> list[str]:
    """A file with a NUL byte in its beginning is binary, as for git."""
    large = [file for file in files if file.is_file() and file.stat().st_size > LARGEST]
    return [file.name for file in large if b"\0" in file.read_bytes()[:8000]]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no git checkout: nothing is tracked here")
def test_repository__tracks_no_large_binary() -> None:
    assert large_binaries(tracked()) == []


def test_large_binaries__are_found(tmp_path: Path) -> None:
    (tmp_path / "wheel.whl").write_bytes(b"PK\x03\x04\0" + bytes(LARGEST))
    (tmp_path / "small.whl").write_bytes(b"PK\x03\x04\0")
    (tmp_path / "rates.csv").write_bytes(b"2026-10-30,1.0\n" * LARGEST)
    assert large_binaries(sorted(tmp_path.iterdir())) == ["wheel.whl"]


def long_files(root: Path, files: list[Path]) -> list[str]:
    """Python anywhere, and whatever is in .ci."""
    ours = [file for file in files if file.is_file() and (file.suffix == ".py" or root / ".ci" in file.parents)]
    long = [file for file in ours if len(file.read_text(encoding="utf-8").splitlines()) > MOST_LINES]
    return [file.relative_to(root).as_posix() for file in long]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no git checkout: nothing is tracked here")
def test_repository__has_no_file_over_300_lines() -> None:
    assert long_files(ROOT, tracked()) == []


def test_long_files__are_found(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_text("true\n" * 301)
    (tmp_path / "long.py").write_text("pass\n" * 301)
    (tmp_path / "short.py").write_text("pass\n" * 300)
    (tmp_path / "rates.csv").write_text("2026-10-30,1.0\n" * 301)
    assert long_files(tmp_path, sorted(tmp_path.rglob("*"))) == [".ci/run", "long.py"]


def test_repository__has_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    named = {
        "workflows/pod.py": r'IMAGE = ".*:(.*)"',
        "deploy/calendar/deployment.yaml": r"image: .*:(.*)",
        "deploy/board/deployment.yaml": r"image: .*:(.*)",
        "deploy/overlays/production/kustomization.yaml": r"newTag: (\S+)",
    }
    found = {file: set(re.findall(form, (ROOT / file).read_text(encoding="utf-8"))) for file, form in named.items()}
    assert found == {file: {version} for file in named}
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
