"""`rig up`: all of it in the order in which one needs the other, from an empty state. `rig env` prints what a test run
needs to use it.
"""

import json
import shutil
import time

from parts.build import build
from parts.down import down
from parts.images import load
from parts.machine import certificates, network
from parts.objects import argo, services
from parts.processes import start, wait
from parts.servers import start_kafka, start_postgres
from parts.settings import (BIN, DNS, EVENTS, HOME, HOST, KUBECONFIG, NATS, POD_CIDR, PYTHON, RUN, SERVICE_CIDR, SIDECARS,
                            WORKFLOWS)
from parts.shell import kubectl, say, sh


def up():
    build()
    down()
    began = time.time()
    network()
    pki = certificates()
    for folder in ("etcd", "containerd", "kubelet", "kafka-data", "postgres"):
        shutil.rmtree(HOME / "state" / folder, ignore_errors=True)
    state = HOME / "state"
    state.mkdir(exist_ok=True)
    start_kafka(state)
    start_postgres(state)
    start("etcd", BIN / "etcd", "--data-dir", state / "etcd", "--unsafe-no-fsync", "--log-level", "warn")
    (HOME / "containerd.toml").write_text(f"""version = 2
root = "{state}/containerd"
state = "{RUN}/containerd"
[grpc]
  address = "{RUN}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.6"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."*"]
    endpoint = ["http://{HOST}:5050"]
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
""")
    (HOME / "registry.yml").write_text(f"""version: 0.1
storage:
  filesystem:
    rootdirectory: {state}/registry
http:
  addr: {HOST}:5050
""")
    start("registry", "docker-registry", "serve", HOME / "registry.yml")
    start("containerd", "containerd", "--config", HOME / "containerd.toml")
    start("apiserver", BIN / "kube", "apiserver", "--etcd-servers=http://127.0.0.1:2379", f"--advertise-address={HOST}",
          "--authorization-mode=Node,RBAC", f"--token-auth-file={pki}/tokens.csv", f"--tls-cert-file={pki}/api.crt",
          f"--tls-private-key-file={pki}/api.key", f"--service-account-key-file={pki}/sa.key",
          f"--service-account-signing-key-file={pki}/sa.key", "--allow-privileged",
          "--service-account-issuer=https://kubernetes.default.svc", f"--service-cluster-ip-range={SERVICE_CIDR}",
          f"--cert-dir={pki}", "--profiling=false",
          "--kubelet-preferred-address-types=InternalIP", f"--kubelet-client-certificate={pki}/kubelet-client.crt",
          f"--kubelet-client-key={pki}/kubelet-client.key")
    wait("the API server", lambda: kubectl("get", "--raw", "/readyz", check=False, capture_output=True).returncode == 0)
    start("controller-manager", BIN / "kube", "controller-manager", f"--kubeconfig={KUBECONFIG}",
          f"--service-account-private-key-file={pki}/sa.key", f"--root-ca-file={pki}/api.crt",
          "--use-service-account-credentials", f"--cert-dir={pki}", "--leader-elect=false")
    start("scheduler", BIN / "kube", "scheduler", f"--kubeconfig={KUBECONFIG}", f"--cert-dir={pki}",
          "--leader-elect=false")
    (HOME / "kubelet.json").write_text(json.dumps({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "cgroupDriver": "cgroupfs",
        "failSwapOn": False, "failCgroupV1": False, "clusterDNS": [DNS], "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{RUN}/containerd.sock", "resolvConf": "/etc/resolv.conf",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                           "x509": {"clientCAFile": f"{pki}/api.crt"}},
        "authorization": {"mode": "Webhook"}, "imageGCHighThresholdPercent": 100, "maxPods": 200,
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "1%", "imagefs.available": "1%"}}))
    sh("mount", "--make-rshared", "/", check=False)
    wait("containerd", lambda: (RUN / "containerd.sock").exists())
    start("kubelet", BIN / "kube", "kubelet", f"--kubeconfig={KUBECONFIG}", f"--config={HOME}/kubelet.json",
          f"--root-dir={state}/kubelet", "--hostname-override=rig", f"--node-ip={HOST}", f"--cert-dir={pki}")
    start("proxy", BIN / "kube", "proxy", f"--kubeconfig={KUBECONFIG}", "--proxy-mode=iptables",
          f"--cluster-cidr={POD_CIDR}", "--hostname-override=rig", "--conntrack-max-per-core=0")
    (HOME / "Corefile").write_text(f""".:53 {{
    bind {HOST}
    kubernetes cluster.local {{
        kubeconfig {KUBECONFIG} rig
    }}
    errors
}}
""")
    start("coredns", BIN / "coredns", "-conf", HOME / "Corefile")
    for tag in ("registry.k8s.io/pause:3.6", f"quay.io/argoproj/argoexec:{WORKFLOWS}",
                f"quay.io/argoproj/argocli:{WORKFLOWS}", f"quay.io/argoproj/workflow-controller:{WORKFLOWS}",
                f"quay.io/argoproj/argo-events:{EVENTS}", f"docker.io/library/nats:{NATS}", *SIDECARS,
                PYTHON):
        load(tag)
    wait("the node", lambda: " Ready" in kubectl("get", "node", "rig", "--no-headers", check=False,
                                                 capture_output=True).stdout)
    services()
    argo()
    say(f"up in {time.time() - began:.0f} s")
    print_env()


def print_env():
    print(f"export KUBECONFIG={KUBECONFIG}")
    print("export KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092           # from this machine; pods say kafka.rig.svc:9092")
    print("export DATABASE_URL=postgresql://rig:rig@127.0.0.1:5433/postgres  # pods: postgres.rig.svc:5432")
    print(f"export PATH={BIN}:$PATH")
