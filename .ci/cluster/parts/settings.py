"""The versions, folders and addresses of the rig. Every other part reads them here; nothing here starts or builds
anything. A changed version builds everything anew (see `build.forget_other_versions`).
"""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("RIG_HOME", Path.home() / ".cache" / "rig"))
BIN, RUN, LOGS = HOME / "bin", HOME / "run", HOME / "logs"
KUBECONFIG = HOME / "kubeconfig"

KUBERNETES = "1.34.3"
WORKFLOWS = "v4.0.7"
EVENTS = "v1.9.11"
KAFKA = "4.4.0"
COREDNS = "v1.12.4"
ETCD = "v3.6.16"
NATS = "2.10.29"  # the version that this Argo Events deploys for a JetStream EventBus

PYTHON = "docker.io/library/python:3.11-slim"  # Debian's own Python under the official name: a Dockerfile's ARG PYTHON
SIDECARS = ("docker.io/natsio/nats-server-config-reloader:0.14.0", "docker.io/natsio/prometheus-nats-exporter:0.14.0")

HOST = "10.42.0.1"  # the bridge's own address: how pods reach what runs on this machine
POD_CIDR, SERVICE_CIDR, DNS = "10.42.0.0/16", "10.43.0.0/16", "10.43.0.10"
NAMESPACES = ("argo", "argo-events")
PACKAGES = ("containerd runc containernetworking-plugins buildah debootstrap iptables conntrack "
            "postgresql docker-registry gcc libc6-dev tzdata").split()
