"""The container images: those of the programs that `build` made, the Python base image, and `rig image`, which builds
a Dockerfile and hands the image to the cluster's registry. An image carries a digest of what went into it as its label
`rig`, and is made again when that digest changes.
"""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from parts.settings import BIN, EVENTS, HERE, HOME, HOST, NATS, PYTHON, SIDECARS, WORKFLOWS
from parts.shell import out, say, sh


def build_images():
    pause = HOME / "src/pause"
    if not pause.exists():
        sh("gcc", "-static", "-Os", "-o", pause, HERE / "pause.c")
    roots = ("/etc/ssl/certs/ca-certificates.crt",) * 2
    zones = ("/usr/share/zoneinfo",) * 2  # a CronWorkflow's timezone; upstream's images have it too
    scratch_image("registry.k8s.io/pause:3.6", ["/pause"], [(pause, "/pause")])
    scratch_image(f"quay.io/argoproj/argoexec:{WORKFLOWS}", ["argoexec"], [(BIN / "argoexec", "/bin/argoexec"), roots, zones])
    scratch_image(f"quay.io/argoproj/argocli:{WORKFLOWS}", ["argo"], [(BIN / "argo", "/bin/argo"), roots, zones], user="8737")
    scratch_image(f"quay.io/argoproj/workflow-controller:{WORKFLOWS}", ["workflow-controller"],
                  [(BIN / "workflow-controller", "/bin/workflow-controller"), roots, zones], user="8737")
    scratch_image(f"quay.io/argoproj/argo-events:{EVENTS}", ["/bin/argo-events"],
                  [(BIN / "argo-events", "/bin/argo-events"), roots, zones], user="9731")
    scratch_image(f"docker.io/library/nats:{NATS}", ["/nats-server"], [(BIN / "nats-server", "/nats-server"), roots])
    # The two side-cars of a JetStream pod cannot be had here; nothing that runs needs what they do.
    for sidecar in SIDECARS:
        scratch_image(sidecar, ["/pause"], [(pause, "/pause")])
    if not out("buildah", "images", "-q", "--filter", f"reference={PYTHON}"):
        root = HOME / "src/rootfs"
        shutil.rmtree(root, ignore_errors=True)
        say("making the Python base image")
        sh("debootstrap", "--variant=minbase", "--include=python3,python3-venv,python3-pip,ca-certificates", "bookworm",
           root, stdout=subprocess.DEVNULL)
        for name in ("python", "pip"):
            target = "python3" if name == "python" else "pip3"
            (root / "usr/local/bin" / name).symlink_to(f"/usr/bin/{target}")
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc/ssl/certs/")  # this machine's own roots
        for marker in (root / "usr/lib/python3.11").glob("EXTERNALLY-MANAGED"):
            marker.unlink()
        shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
        shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
        scratch_image(PYTHON, [], [(root, "/")])
        shutil.rmtree(root)


def made_of(tag):
    """What an image of this name was made of; empty where there is none, or an older rig made it."""
    form = '{{index .OCIv1.Config.Labels "rig"}}'
    return sh("buildah", "inspect", "--type", "image", "--format", form, tag, check=False, capture_output=True).stdout.strip()


def recipe(*parts):
    """A digest of what goes in. A file is its size and time; a folder is its name."""
    said = [(part, Path(part).is_file() and (os.stat(part).st_size, os.stat(part).st_mtime_ns)) for part in parts]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def scratch_image(tag, entrypoint, files, user=None):
    label = recipe(*entrypoint, user or "", *(str(word) for pair in files for word in pair))
    if made_of(tag) == label:
        return
    say(f"making image {tag}")
    container = out("buildah", "from", "scratch")
    for path, inside in files:
        sh("buildah", "add", "-q", container, path, inside, stdout=subprocess.DEVNULL)
    sh("buildah", "config", "--entrypoint", json.dumps(entrypoint), *(["--user", user] if user else []), "--label", f"rig={label}",
       "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
    sh("buildah", "commit", "-q", container, tag, stdout=subprocess.DEVNULL)
    sh("buildah", "rm", container, stdout=subprocess.DEVNULL)


def image(tag, folder, stage=""):
    target = ["--target", stage] if stage else []
    base = ["--build-arg", f"PYTHON={PYTHON}"]  # a Dockerfile without it builds with a warning
    sh("buildah", "bud", "-q", "--isolation", "chroot", "--network", "host", *base, *target, "-t", tag, folder,
       stdout=subprocess.DEVNULL)
    load(tag if "/" in tag else f"localhost/{tag}")  # a short name is localhost/NAME to the cluster


def load(tag):
    """Pushes a local image where the cluster pulls every name from: the mirror drops the registry's own name."""
    path = tag.split("/", 1)[1]
    sh("buildah", "push", "-q", "--tls-verify=false", tag, f"docker://{HOST}:5050/{path}", stdout=subprocess.DEVNULL)
