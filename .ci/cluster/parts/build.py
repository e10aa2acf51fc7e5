"""`rig build`: Debian's packages, then each program from its Go module and Kafka's jars from Maven. What is there
already is not built again; the version numbers of all programs stand in one file, and another number builds all anew.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

from parts.images import build_images
from parts.settings import BIN, COREDNS, ETCD, EVENTS, HERE, HOME, KAFKA, KUBERNETES, LOGS, NATS, PACKAGES, RUN, WORKFLOWS
from parts.shell import out, say, sh


def build():
    for folder in (BIN, RUN, LOGS):
        folder.mkdir(parents=True, exist_ok=True)
    forget_other_versions()
    missing = [name for name in PACKAGES if sh("dpkg", "-s", name, check=False, stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL).returncode]
    if missing:
        say(f"installing {' '.join(missing)}")
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive",
                                                       "RUNLEVEL": "1"}}
        sh("apt-get", "update", "-qq", **quiet)
        sh("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, **quiet)
    build_kubernetes()
    build_workflows()
    build_events()
    build_module("coredns", "github.com/coredns/coredns", COREDNS)
    build_module("etcd", "go.etcd.io/etcd/server/v3", ETCD)
    build_module("nats-server", "github.com/nats-io/nats-server/v2", f"v{NATS}")
    build_kafka()
    build_images()
    say("built")


def forget_other_versions():
    """A changed version builds anew: what an older rig left under the same names goes."""
    versions = " ".join((KUBERNETES, WORKFLOWS, EVENTS, KAFKA, COREDNS, ETCD, NATS))
    stamp = HOME / "versions"
    if not stamp.exists() or stamp.read_text() != versions:
        for folder in (BIN, HOME / "src", HOME / "kafka"):
            shutil.rmtree(folder, ignore_errors=True)
        BIN.mkdir()
        stamp.write_text(versions)


def go_build(cwd, *packages, output=None, flags=""):
    sh("go", "build", f"-ldflags=-s -w {flags}", "-o", output or f"{BIN}/", *packages, cwd=cwd,
       env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -buildvcs=false"})


def source(name, go_mod):
    folder = HOME / "src" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text(go_mod)
    return folder


def build_kubernetes():
    if (BIN / "kube").exists():
        return
    say(f"building Kubernetes {KUBERNETES}")
    module = json.loads(out("go", "mod", "download", "-json", f"k8s.io/kubernetes@v{KUBERNETES}", cwd="/"))
    staging = [line.split()[0] for line in Path(module["GoMod"]).read_text().splitlines() if "=> ./staging" in line]
    version = "v0" + KUBERNETES[1:]
    folder = source("kube", f"module rig/kube\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v{KUBERNETES}\n\nreplace (\n"
                    + "".join(f"\t{name} => {name} {version}\n" for name in staging) + ")\n")
    shutil.copy(HERE / "kube.go", folder / "main.go")
    go_build(folder, ".", output=BIN / "kube")


def build_workflows():
    if (BIN / "argo").exists() and (BIN / "argoexec").exists():
        return
    say(f"building Argo Workflows {WORKFLOWS}")
    name = "github.com/argoproj/argo-workflows/v4"
    module = json.loads(out("go", "mod", "download", "-json", f"{name}@{WORKFLOWS}", cwd="/"))
    folder = source("workflows", "module rig/workflows\n\ngo 1.25.7\n\n"
                    f"require {name} {WORKFLOWS}\n\n"
                    f"replace {name} => ./upstream\n")
    # A module zip drops the repository's symlinks and lacks the built web page: a writable copy gets both back.
    upstream = folder / "upstream"
    shutil.rmtree(upstream, ignore_errors=True)
    shutil.copytree(module["Dir"], upstream, copy_function=shutil.copyfile)
    sh("chmod", "-R", "u+w", upstream)
    (upstream / "ui/dist/app").mkdir(parents=True)
    (upstream / "ui/dist/app/index.html").write_text("<!doctype html><p>The API is here; this build has no pages.\n")
    signals = upstream / "workflow/executor/osspecific"
    shutil.copy(signals / "signal_darwin.go", signals / "signal_linux.go")
    go_build(folder, *(f"{name}/cmd/{command}" for command in ("argo", "argoexec", "workflow-controller")),
             flags=f"-X {name}.version={WORKFLOWS}")


def build_events():
    if (BIN / "argo-events").exists():
        return
    say(f"building Argo Events {EVENTS}")
    name = "github.com/argoproj/argo-events"
    folder = source("events", f"module rig/events\n\ngo 1.26.0\n\nrequire {name} {EVENTS}\n")
    go_build(folder, f"{name}/cmd", output=BIN / "argo-events")


def build_module(command, module, version):
    if (BIN / command).exists():
        return
    say(f"building {command} {version}")
    folder = source(command, f"module rig/{command}\n\ngo 1.24.0\n\nrequire {module} {version}\n")
    go_build(folder, module, output=BIN / command)


def build_kafka():
    libs = HOME / "kafka"
    if libs.exists():
        return
    say(f"fetching Apache Kafka {KAFKA}")
    sh("mvn", "-q", "-B", "-f", HERE / "kafka.xml", f"-Dkafka={KAFKA}", "dependency:copy-dependencies",
       "-DincludeScope=runtime", f"-DoutputDirectory={libs}.part", stdout=subprocess.DEVNULL)
    Path(f"{libs}.part").rename(libs)
