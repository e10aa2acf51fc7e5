"""`rig down`: ends the pods and the servers, and takes away the mounts, the iptables rules and the bridge that they
left. What was built stays.
"""

import shutil
import subprocess
from pathlib import Path

from parts.processes import SERVICES, alive, stop
from parts.settings import HOME, RUN
from parts.shell import ctr, out, sh


def down():
    if alive("kubelet"):
        stop("kubelet")
    if alive("containerd"):
        for task in out("ctr", "--address", RUN / "containerd.sock", "-n", "k8s.io", "tasks", "ls", "-q").split():
            ctr("tasks", "kill", "-s", "SIGKILL", task, check=False, stderr=subprocess.DEVNULL)
    for name in SERVICES:
        stop(name)
    for line in Path("/proc/mounts").read_text().splitlines():
        mount = line.split()[1]
        if mount.startswith((str(HOME / "state"), str(RUN))):
            sh("umount", "-l", mount, check=False, stderr=subprocess.DEVNULL)
    for table in ("nat", "filter", "mangle"):
        rules = sh("iptables-save", "-t", table, check=False, capture_output=True).stdout
        if "KUBE-" in rules:
            sh("iptables", "-t", table, "-F", check=False)
            sh("iptables", "-t", table, "-X", check=False)
    shutil.rmtree("/var/lib/cni/networks/rig", ignore_errors=True)
    sh("ip", "link", "del", "rig0", check=False, stderr=subprocess.DEVNULL)
