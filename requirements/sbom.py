"""The software bill of materials of an image, CycloneDX 1.6. The Dockerfile runs it, with the standard library alone.

    python sbom.py feedfall 0.1.0 /opt/feedfall pod.txt licences.toml > /opt/feedfall/sbom.cdx.json

    Python packages    from the metadata of what is installed: all that the lock names, and nothing else
      inside a wheel   shared libraries and scripts by their hash; Rust crates and rpms by the wheel's own SBOM
    vendored files     those of licences.toml that are in this image
    Debian packages    from dpkg's list in this image, where there is one; their licences are in /usr/share/doc
    Python             by the version that runs this

The same inputs give the same bytes. It ends with 1 where licences.toml lacks a package: nothing comes into an image
unseen.
"""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import re
import sys
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DPKG = Path("/var/lib/dpkg/status")
BUNDLED = (".so", ".js", ".css")
"""Files of other projects that a wheel may bring, beside Python's own extension modules."""

Component = dict[str, Any]


def main(name: str, version: str, folder: str, lock: str, licences: str) -> int:
    known = tomllib.loads(Path(licences).read_text(encoding="utf-8"))
    installed = {canonical(each): each for each in distributions(path=[folder])}
    locked = read_lock(Path(lock).read_text(encoding="utf-8"))
    if problems := [*differences(installed, locked), *list_unlicensed(installed, known)]:
        sys.stderr.writelines(f"sbom: {each}\n" for each in problems)
        return 1
    packages = [describe_package(each, locked[key], known) for key, each in sorted(installed.items())]
    packages += list_vendored(Path(folder), known["vendored"])
    system = read_dpkg(DPKG.read_text(encoding="utf-8")) if DPKG.exists() else []
    document = build_bom(name, version, [*packages, describe_python(), *system])
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return 0


def build_bom(name: str, version: str, components: list[Component]) -> Component:
    """The whole document. Its serial number follows from its contents: no clock, no chance."""
    licences = [{"expression": "Apache-2.0"}]
    root = {"type": "container", "bom-ref": name, "name": name, "version": version, "licenses": licences}
    serial = uuid5(NAMESPACE_URL, json.dumps([name, version, components], sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": root},
        "components": components,
        "dependencies": [{"ref": name, "dependsOn": [each["bom-ref"] for each in components]}],
    }


def describe_package(found: Distribution, locked: list[str], known: Mapping[str, Any]) -> Component:
    """A Python package, and what its wheel brings inside."""
    name, purl = canonical(found), f"pkg:pypi/{canonical(found)}@{found.version}"
    inside = [*list_bundled_files(found, purl, known["bundled"]), *read_wheel_sboms(found, purl)]
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": found.version,
        "purl": purl,
        "licenses": [{"expression": known["packages"][name]}],
        # One of these is the file that was installed: pip has compared it with the lock.
        "properties": [{"name": "feedfall:locked-sha256", "value": each} for each in locked],
        **({"components": inside} if inside else {}),
    }


def list_bundled_files(found: Distribution, purl: str, known: Mapping[str, Any]) -> Iterator[Component]:
    """The files of other projects in a wheel, by the hash in its RECORD."""
    for file in found.files or []:
        if not is_bundled(str(file)) or file.hash is None:
            continue
        project, licence = project_of(file.name, known)
        digest = base64.urlsafe_b64decode(file.hash.value + "=" * (-len(file.hash.value) % 4)).hex()
        yield {
            "type": "file",
            "bom-ref": f"{purl}#{file}",
            "name": file.name,
            "description": project,
            "hashes": [{"alg": "SHA-256", "content": digest}],
            "licenses": [{"expression": licence}],
        }


def list_vendored(folder: Path, known: Mapping[str, list[str]]) -> Iterator[Component]:
    """The files of other projects that are in the image beside the packages."""
    for file, (project, version, licence) in known.items():
        if (folder / file).exists():
            digest = hashlib.sha256((folder / file).read_bytes()).hexdigest()
            yield {
                "type": "library",
                "bom-ref": file,
                "name": project,
                "version": version,
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "licenses": [{"expression": licence}],
            }


def is_bundled(path: str) -> bool:
    return ".libs/" in path or (path.endswith(BUNDLED) and ".cpython-" not in path and ".abi3." not in path)


def project_of(file: str, known: Mapping[str, Any]) -> tuple[str, str]:
    """Project and licence of a bundled file: the longest beginning of its name that is known. KeyError: none is."""
    begins = max((each for each in known if file.startswith(each)), key=len, default=None)
    if begins is None:
        raise KeyError(file)
    project, licence = known[begins]
    return project, licence


def read_wheel_sboms(found: Distribution, purl: str) -> Iterator[Component]:
    """What the wheel's own SBOMs name (PEP 770), itself left out."""
    for file in found.files or []:
        if "/sboms/" in str(file) and file.suffix == ".json":
            for each in json.loads(file.read_text(encoding="utf-8"))["components"]:
                if re.sub(r"[-_.]+", "-", each["name"]).lower() != canonical(found):
                    fields = {key: each[key] for key in ("version", "purl", "licenses", "hashes") if key in each}
                    reference = f"{purl}#{each.get('bom-ref') or each['name']}"
                    yield {"type": each["type"], "bom-ref": reference, "name": each["name"], **fields}


def read_dpkg(status: str) -> list[Component]:
    """The installed packages of dpkg's list."""
    found = []
    for entry in status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Z][A-Za-z-]+): (.*)$", entry, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            name, version, machine = fields["Package"], fields["Version"], fields["Architecture"]
            purl = f"pkg:deb/debian/{name}@{version.replace(':', '%3A')}?arch={machine}"
            found.append({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl})
    return found


def describe_python() -> Component:
    version = platform.python_version()
    purl = f"pkg:generic/python@{version}"
    licences = [{"expression": "PSF-2.0"}]
    fields = {"name": "python", "version": version, "purl": purl, "licenses": licences}
    return {"type": "platform", "bom-ref": purl, **fields}


def read_lock(lock: str) -> dict[str, list[str]]:
    """Package → the hashes of a lock, without those that are for another system."""
    entries = re.findall(r"^([a-z0-9.-]+)==[^\n]*?(;[^\n\\]*)?\\\n((?: +--hash[^\n]*\n)+)", lock, re.MULTILINE)
    return {name: re.findall(r"sha256:([0-9a-f]{64})", rest) for name, marker, rest in entries if "win32" not in marker}


def differences(installed: Mapping[str, object], locked: Mapping[str, object]) -> Iterator[str]:
    yield from (f"{name} is installed and not locked" for name in sorted(installed.keys() - locked.keys()))
    yield from (f"{name} is locked and not installed" for name in sorted(locked.keys() - installed.keys()))


def list_unlicensed(installed: Mapping[str, Distribution], known: Mapping[str, Any]) -> Iterator[str]:
    """What licences.toml does not have."""
    for name, found in sorted(installed.items()):
        if name not in known["packages"]:
            yield f"{name} has no entry in licences.toml: read its licence and add one"
        for file in found.files or []:
            if is_bundled(str(file)) and not any(file.name.startswith(each) for each in known["bundled"]):
                yield f"{file.name}, inside {name}, has no entry in licences.toml: find its licence and add one"


def canonical(found: Distribution) -> str:
    """A package's name as the lock writes it."""
    return re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
