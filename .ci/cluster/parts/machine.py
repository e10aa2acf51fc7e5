"""What the machine needs before the first server starts: the certificates, the admin's kubeconfig, and the network bridge
that pods are on.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

from parts.settings import HOME, HOST, KUBECONFIG
from parts.shell import sh


def certificates():
    pki = HOME / "pki"
    shutil.rmtree(pki, ignore_errors=True)
    pki.mkdir()
    sh("openssl", "genrsa", "-out", pki / "sa.key", "2048", stderr=subprocess.DEVNULL)
    sh("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=rig",
       "-addext", f"subjectAltName=IP:127.0.0.1,IP:{HOST},IP:10.43.0.1,DNS:kubernetes.default.svc",
       "-keyout", pki / "api.key", "-out", pki / "api.crt", stderr=subprocess.DEVNULL)
    sh("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/O=system:masters/CN=apiserver", "-keyout",
       pki / "kubelet-client.key", "-out", pki / "kubelet-client.csr", stderr=subprocess.DEVNULL)
    sh("openssl", "x509", "-req", "-days", "30", "-in", pki / "kubelet-client.csr", "-CA", pki / "api.crt", "-CAkey",
       pki / "api.key", "-CAcreateserial", "-out", pki / "kubelet-client.crt", stderr=subprocess.DEVNULL)
    token = os.urandom(16).hex()
    (pki / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "rig",
              "clusters": [{"name": "rig", "cluster": {"server": f"https://{HOST}:6443",
                                                       "certificate-authority": str(pki / "api.crt")}}],
              "users": [{"name": "admin", "user": {"token": token}}],
              "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": "admin"}}]}
    KUBECONFIG.write_text(json.dumps(config))
    KUBECONFIG.chmod(0o600)
    return pki


def network():
    Path("/etc/cni/net.d").mkdir(parents=True, exist_ok=True)
    Path("/etc/cni/net.d/10-rig.conflist").write_text(json.dumps({
        "cniVersion": "0.4.0", "name": "rig", "plugins": [
            {"type": "bridge", "bridge": "rig0", "isGateway": True, "ipMasq": True, "hairpinMode": True,
             "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.42.0.0/24", "gateway": HOST}]],
                      "routes": [{"dst": "0.0.0.0/0"}]}},
            {"type": "portmap", "capabilities": {"portMappings": True}}]}))
    sh("ip", "link", "add", "rig0", "type", "bridge", check=False, stderr=subprocess.DEVNULL)
    sh("ip", "addr", "add", f"{HOST}/24", "dev", "rig0", check=False, stderr=subprocess.DEVNULL)
    sh("ip", "link", "set", "rig0", "up")
    for setting in ("net.ipv4.ip_forward=1", "net.ipv4.conf.all.route_localnet=1"):
        sh("sysctl", "-q", "-w", setting, check=False)
    sh("sysctl", "-q", "-w", "net.bridge.bridge-nf-call-iptables=1", check=False, stderr=subprocess.DEVNULL)
