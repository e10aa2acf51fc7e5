"""The images: pinned bases, locked packages, and a bill of materials that CycloneDX's own schema accepts."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from manifests.test_licences import IMAGES, SPDX, is_allowed, packages_of

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
DIGEST = r"@sha256:[0-9a-f]{64}"


def test_dockerfile__has_one_base_with_a_full_version_or_a_digest() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert set(bases) == {"${PYTHON}"}
    (base,) = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(rf"docker\.io/library/python:3\.\d+\.\d+-slim-[a-z]+({DIGEST})?", base)


def test_dockerfile__builds_the_pods_image_last() -> None:
    """What `docker build .` makes; its pods bring no command of their own."""
    assert DOCKERFILE.count("\nCMD ") == 2
    assert "CMD" not in DOCKERFILE.rpartition("\nFROM ")[2]


@pytest.mark.parametrize(("name", "lock"), IMAGES.items())
def test_dockerfile__installs_by_hash_and_writes_a_bill_of_materials(name: str, lock: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    install, sbom = (
        DOCKERFILE.index(words)
        for words in (
            f"--require-hashes --target /opt/feedfall -r /tmp/{lock}",
            f"sbom.py {name} {version} /opt/feedfall /tmp/{lock} ",
        )
    )
    assert install < sbom


def test_dockerfile__copies_only_what_dockerignore_lets_in() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    lines = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    assert {each for line in lines for each in line.split()} == let_in


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 -- a function of a lock
    """A folder with a lock's packages, as `pip install --target` leaves them: their metadata, which is what is read."""

    def make(lock: str) -> Path:
        made = tmp_path_factory.mktemp("image")
        for name in packages_of(lock):
            metadata = distribution(name)._path  # type: ignore[attr-defined] # noqa: SLF001 -- importlib has no public one
            (made / metadata.name).symlink_to(metadata)
        return made

    return make


def run_sbom(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "requirements/sbom.py", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", params=IMAGES.items(), ids=IMAGES)
def text(request: pytest.FixtureRequest, folder: Any) -> str:  # noqa: ANN401 -- likewise
    name, lock = request.param
    words = (ROOT / "requirements" / lock, ROOT / "requirements/licences.toml")
    done = run_sbom(name, "0.1.0", folder(lock), *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout == run_sbom(name, "0.1.0", folder(lock), *words).stdout  # the same bytes again
    return done.stdout


@pytest.fixture(scope="module")
def sbom(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    return document


def test_sbom__is_what_cyclonedx_says_that_it_is(text: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_sbom__has_each_locked_package_with_version_licence_and_hashes(sbom: dict[str, Any]) -> None:
    found = {each["name"]: each for each in sbom["components"] if each.get("purl", "").startswith("pkg:pypi/")}
    assert sorted(found) == packages_of(IMAGES[sbom["metadata"]["component"]["name"]])
    for name, each in found.items():
        assert each["version"] == distribution(name).version
        assert each["purl"] == f"pkg:pypi/{name}@{each['version']}"
        assert each["properties"]
        assert each["licenses"]


@pytest.mark.skipif(sys.platform != "linux", reason="the images are Linux, and so are their wheels")
def test_sbom__has_what_is_inside_the_wheels(sbom: dict[str, Any]) -> None:
    found = {each["name"]: each.get("components", []) for each in sbom["components"]}
    libpq = [each for each in found["psycopg-binary"] if each["name"].startswith("libpq-")]
    assert [(each["type"], len(each["hashes"][0]["content"]), each["licenses"]) for each in libpq] == [
        ("file", 64, [{"expression": "PostgreSQL"}])
    ]
    assert "pkg:cargo/pyo3@" in json.dumps(found["pydantic-core"])


def test_sbom__names_no_licence_that_is_not_allowed(sbom: dict[str, Any]) -> None:
    inside = [part for each in sbom["components"] for part in (each, *each.get("components", []))]
    words = {each["expression"] for part in inside for each in part.get("licenses", [])}
    assert "MIT" in words
    assert {each for each in words if not is_allowed(SPDX.parse(each))} == set()


def test_sbom__lists_the_debian_packages_of_its_image() -> None:
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "requirements")!r})
import sbom
print(*(each["purl"] for each in sbom.read_dpkg(sys.stdin.read())))
"""
    status = (
        "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\nNote: x\n Package: no\n\n"
        "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:5.2\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=status, capture_output=True, text=True, check=True)
    purls = "pkg:deb/debian/libc6@2.36-9?arch=amd64 pkg:deb/debian/bash@1%3A5.2?arch=amd64\n"
    assert done.stdout == purls


def test_sbom__has_the_vendored_files_of_its_image_alone(folder: Any) -> None:  # noqa: ANN401 -- likewise
    lock, licences = ROOT / "requirements/board.txt", ROOT / "requirements/licences.toml"
    image = folder("board.txt")
    without = run_sbom("feedfall-board", "0.1.0", image, lock, licences)
    (image / "service").symlink_to(ROOT / "service")
    done = run_sbom("feedfall-board", "0.1.0", image, lock, licences)
    (htmx,) = [each for each in json.loads(done.stdout)["components"] if each["name"] == "htmx"]
    assert (htmx["version"], htmx["licenses"]) == ("4.0.1", [{"expression": "0BSD"}])
    assert "htmx" not in without.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="likewise")
def test_sbom__ends_the_build_at_a_package_without_an_entry(tmp_path: Path, folder: Any) -> None:  # noqa: ANN401 -- likewise
    licences = (ROOT / "requirements/licences.toml").read_text()
    short = tmp_path / "licences.toml"
    short.write_text(re.sub(r"^(stamina|libpq) = .*\n", "", licences, flags=re.MULTILINE))
    done = run_sbom("feedfall", "0.1.0", folder("pod.txt"), ROOT / "requirements/pod.txt", short)
    assert (done.returncode, done.stdout) == (1, "")
    assert "stamina has no entry in licences.toml" in done.stderr
    assert "inside psycopg-binary, has no entry in licences.toml" in done.stderr


def test_sbom__ends_the_build_where_lock_and_folder_differ(folder: Any) -> None:  # noqa: ANN401 -- likewise
    words = (ROOT / "requirements/service.txt", ROOT / "requirements/licences.toml")
    done = run_sbom("feedfall", "0.1.0", folder("pod.txt"), *words)
    assert done.returncode == 1
    assert "sbom: httpx is installed and not locked\n" in done.stderr
    assert "sbom: fastapi is locked and not installed\n" in done.stderr
