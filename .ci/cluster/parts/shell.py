"""How the rig runs a command, reads what it prints, and says on stderr what it does. The other parts use these
functions and no subprocess of their own, but for the servers, which `processes` starts.
"""

import subprocess
import sys
from pathlib import Path

from parts.settings import KUBECONFIG, RUN


def sh(*command, **options):
    options.setdefault("check", True)
    return subprocess.run([str(word) for word in command], text=True, **options)


def out(*command, **options):
    return sh(*command, stdout=subprocess.PIPE, **options).stdout.strip()


def kubectl(*words, **options):
    return sh("kubectl", f"--kubeconfig={KUBECONFIG}", *words, **options)


def ctr(*words, **options):
    return sh("ctr", "--address", RUN / "containerd.sock", "-n", "k8s.io", *words, **options)


def say(text):
    print(f"rig: {text}", file=sys.stderr, flush=True)


def module_dir(module, cwd):
    return Path(out("go", "list", "-m", "-f", "{{.Dir}}", module, cwd=cwd))
