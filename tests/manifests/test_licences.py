"""What the images carry is known and allowed. Run as a script, this file writes LICENSES.md anew.

python tests/manifests/test_licences.py
"""

import re
import tomllib
from importlib.metadata import Distribution, distribution
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from license_expression import AND, OR, LicenseExpression, get_spdx_licensing

ROOT = Path(__file__).parents[2]
KNOWN = tomllib.loads((ROOT / "requirements/licences.toml").read_text())
IMAGES = {"feedfall": "pod.txt", "feedfall-calendar": "service.txt", "feedfall-board": "board.txt"}
VENDORED: dict[str, list[str]] = KNOWN["vendored"]
LICENCES = sorted(
    {
        *KNOWN["packages"].values(),
        *(licence for _, licence in KNOWN["bundled"].values()),
        *(licence for *_, licence in VENDORED.values()),
    }
)
SPDX = get_spdx_licensing()

#: Older forms of a licence in a package's metadata → SPDX.
OLDER = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


def packages_of(file: str) -> list[str]:
    """The packages of a lock that a Linux image gets."""
    lines = re.findall(r"^([a-z0-9.-]+)==(.*)", (ROOT / "requirements" / file).read_text(), re.MULTILINE)
    return [name for name, rest in lines if "win32" not in rest]


PACKAGES = sorted(set(chain.from_iterable(packages_of(file) for file in IMAGES.values())))


def licence_of(found: Distribution) -> str:
    """The licence in a package's own metadata: an SPDX expression, a name, or the classifier."""
    metadata = found.metadata
    classifiers = [
        each.rpartition(" :: ")[2] for each in metadata.get_all("Classifier", []) if each.startswith("License")
    ]
    words = metadata.get("License-Expression") or metadata.get("License") or classifiers[0]
    return OLDER.get(words, words)


def is_allowed(expression: LicenseExpression) -> bool:
    """May this be carried? Of a choice one is enough, of a conjunction all are needed."""
    if isinstance(expression, OR):
        return any(is_allowed(each) for each in expression.args)
    if isinstance(expression, AND):
        return all(is_allowed(each) for each in expression.args)
    return str(expression) in KNOWN["allowed"]


@pytest.mark.parametrize("package", PACKAGES)
def test_package__has_the_licence_that_its_metadata_states(package: str) -> None:
    assert licence_of(distribution(package)) == KNOWN["packages"][package]


@pytest.mark.parametrize("package", PACKAGES)
def test_package__brings_its_licence_text_into_the_image(package: str) -> None:
    files = [file.name.upper() for file in distribution(package).files or [] if ".dist-info" in str(file)]
    assert any(name.startswith(("LICENSE", "LICENCE", "COPYING")) for name in files)


def test_packages__of_the_list_are_those_of_the_images() -> None:
    assert sorted(KNOWN["packages"]) == PACKAGES


@pytest.mark.parametrize("words", LICENCES)
def test_licence__is_valid_spdx_and_on_the_list(words: str) -> None:
    assert SPDX.validate(words).errors == []
    assert is_allowed(SPDX.parse(words))


@pytest.mark.parametrize(
    ("words", "may"),
    [
        ("MIT OR GPL-3.0-only", True),  # a choice
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR Apache-2.0) AND Unicode-DFS-2016", True),
        ("AGPL-3.0-only", False),
        ("GPL-3.0-only", False),
        ("Apache-2.0 WITH LLVM-exception", True),
    ],
)
def test_is_allowed__reads_choices_and_conjunctions(words: str, *, may: bool) -> None:
    assert is_allowed(SPDX.parse(words)) is may


def test_licences__that_nothing_has_are_not_on_the_list() -> None:
    """An entry that nothing needs would let something in unseen. Those of Rust crates are in the SBOM's own test."""
    used = " ".join(LICENCES)
    crates = {"Apache-2.0 WITH LLVM-exception", "Unicode-3.0", "Unicode-DFS-2016", "Zlib"}
    assert {each for each in KNOWN["allowed"] if each not in used} == crates


@pytest.mark.parametrize("file", VENDORED)
def test_vendored__file_is_here_with_its_licence_and_version(file: str) -> None:
    project, version, licence = VENDORED[file]
    found = ROOT / file
    assert f'"{version}"' in found.read_text() or f"'{version}'" in found.read_text()
    assert found.stat().st_size < 500_000
    assert licence == "0BSD"
    assert "Zero-Clause BSD" in found.with_name(f"{found.name.partition('.')[0]}.LICENSE").read_text()
    assert project in (ROOT / "NOTICE").read_text()


def test_document__is_what_would_be_generated() -> None:
    assert (ROOT / "LICENSES.md").read_text() == document()


def test_notice__names_what_is_not_permissive() -> None:
    notice = (ROOT / "NOTICE").read_text()
    weak = {name for name, words in KNOWN["packages"].items() if re.search(r"GPL|MPL", words)}
    assert weak == {"certifi", "psycopg", "psycopg-binary"}
    assert {each for each in (*weak, "keyutils", "libcrypt", "Cyrus SASL", "librdkafka") if each not in notice} == set()


def document() -> str:
    """The text of LICENSES.md. No versions: those are in requirements/ and in each image's SBOM."""
    return HEAD + "\n".join(_packages()) + "\n" + BETWEEN + "\n".join([*_bundled(), *_vendored(), *_reasons()]) + "\n"


HEAD = """\
<!-- Generated by `python tests/manifests/test_licences.py` from requirements/licences.toml: do not edit. -->
# Licences of what the images carry

feedfall itself is under the Apache License 2.0 (`LICENSE`). This page lists the Python packages of the three images
that `Dockerfile` builds; `pod.txt`, `service.txt` and `board.txt` in `requirements/` have versions and hashes. Not
permissive are psycopg and psycopg-binary (LGPL-3.0-only) and certifi (MPL-2.0), all three unchanged; `NOTICE` says
what follows from that.

Each image has its whole bill of materials in `/opt/feedfall/sbom.cdx.json` (CycloneDX 1.6): these packages, what is
inside their wheels, Python, and the base image's Debian packages. Debian's own licences (GPL, LGPL and others) are
not checked here; their texts are in the image's `/usr/share/doc/*/copyright`.

| package | licence | pods | calendar service | board |
|---|---|---|---|---|
"""
BETWEEN = """\

## Inside wheels

Shared libraries and scripts of other projects that come inside a package. Most wheels bring no licence texts for
them: the licence here is what each project states. Rust crates (inside pydantic-core) are in the SBOM, each with its
licence.

| file | project | licence |
|---|---|---|
"""


def _packages() -> list[str]:
    images = [set(packages_of(file)) for file in IMAGES.values()]
    ticks = {name: ["x" if name in image else "" for image in images] for name in PACKAGES}
    return [f"| {name} | {KNOWN['packages'][name]} | {' | '.join(ticks[name])} |" for name in PACKAGES]


def _bundled() -> list[str]:
    rows: dict[str, Any] = KNOWN["bundled"]
    return [f"| `{start}…` | {project} | {licence} |" for start, (project, licence) in rows.items()]


def _vendored() -> list[str]:
    rows = [f"| `{file}` | {project} {version} | {licence} |" for file, (project, version, licence) in VENDORED.items()]
    return [
        "",
        "## Files of other projects in this repository",
        "",
        "| file | project | licence |",
        "|---|---|---|",
        *rows,
    ]


def _reasons() -> list[str]:
    reasons = [f"| {licence} | {why} |" for licence, why in KNOWN["allowed"].items()]
    return ["", "## Licences that an image may carry", "", "| licence | why |", "|---|---|", *reasons]


if __name__ == "__main__":
    (ROOT / "LICENSES.md").write_text(document())
