"""The servers that run on this machine: start one, see if it lives, stop it, wait until it is ready, and `rig status`.
A server's process number is in $RIG_HOME/run and its log in $RIG_HOME/logs.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from parts.settings import LOGS, RUN

SERVICES = ("proxy", "kubelet", "scheduler", "controller-manager", "apiserver", "coredns", "containerd", "registry", "etcd",
            "kafka", "postgres")


def start(name, *command, env=None, user=None):
    log = open(LOGS / f"{name}.log", "w")
    process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                               start_new_session=True, env={**os.environ, **(env or {})}, user=user)
    (RUN / f"{name}.pid").write_text(str(process.pid))


def alive(name):
    try:
        os.kill(int((RUN / f"{name}.pid").read_text()), 0)
        return True
    except (OSError, ValueError):
        return False


def stop(name):
    file = RUN / f"{name}.pid"
    if not file.exists():
        return
    pid = int(file.read_text())
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            break
        for _ in range(100):
            time.sleep(0.1)
            if not Path(f"/proc/{pid}").exists() or "zombie" in Path(f"/proc/{pid}/status").read_text():
                break
        else:
            continue
        break
    file.unlink()


def wait(what, ready, seconds=120):
    for _ in range(seconds * 5):
        if ready():
            return
        time.sleep(0.2)
    sys.exit(f"rig: {what} did not come up in {seconds} s; its log is under {LOGS}")


def status():
    for name in SERVICES:
        print(f"{name:20} {'up' if alive(name) else 'down'}")
