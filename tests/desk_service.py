"""The desk's interface as a process of its own, and commands that have its address and a token alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from bank import ROOT
from local.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

OPERATOR, VIEWER, APPROVER = (f"a-token-of-thirty-characters-{role}" for role in ("operator", "viewer", "approver"))
#: Of a process outside the cluster: it has no database, no Kafka and no Argo.
BARE = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "SSL_CERT_DIR")}


def tokens(folder: Path) -> Path:
    """A folder of tokens, as a Secret is mounted."""
    folder.mkdir(exist_ok=True)
    (folder / "kim").write_text(f"{OPERATOR}\nrole = operator\n")
    (folder / "park").write_text(f"{VIEWER}\nrole = viewer\n")
    (folder / "lee").write_text(f"{APPROVER}\nrole = approver\n")
    (folder / "past").write_text("a-token-that-served-until-2020\nrole = operator\nexpires = 2020-12-31\n")
    return folder


@dataclass
class DeskService:
    """Where it is, and hands to use it."""

    url: str
    folder: Path
    ca: Path | None = None

    def environ(self, token: str = OPERATOR, **more: str) -> dict[str, str]:
        file = self.folder / f"token-{token[-8:]}"
        file.write_text(f"{token}\n")
        trust = {"FEEDFALL_URL_CA_FILE": str(self.ca)} if self.ca else {}
        return {**BARE, "FEEDFALL_URL": self.url, "FEEDFALL_TOKEN_FILE": str(file), **trust, **more}

    def start(self, *words: str, token: str = OPERATOR, **more: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", "cli", *words]
        return subprocess.Popen(command, env=self.environ(token, **more), stdout=pipe, stderr=pipe, text=True, cwd=ROOT)

    def run(self, *words: str, token: str = OPERATOR, **more: str) -> tuple[int, str, str]:
        command = self.start(*words, token=token, **more)
        stdout, stderr = command.communicate(timeout=60)
        print(words, command.returncode, stdout, stderr, sep="\n")
        return command.returncode, stdout, stderr

    def call(self, method: str, path: str, token: str = OPERATOR, **how: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
        headers = {"Authorization": f"Bearer {token}"} | how.pop("headers", {})
        with httpx.Client(base_url=self.url, verify=str(self.ca) if self.ca else True, timeout=30) as client:
            return client.request(method, path, headers=headers, **how)


@contextmanager
def desk_service(
    environ: Mapping[str, str], folder: Path, ca: Path | None = None, **more: str
) -> Iterator[DeskService]:
    """Serve the commands of an environment until the block ends. `ca`: over TLS, with the certificate of `more`."""
    port = free_port()
    own = {**environ, "FEEDFALL_DESK_TOKENS": str(tokens(folder / "tokens")), **more}
    command = [sys.executable, "-m", "cli", "serve", "--desk", f"--port={port}"]
    child = subprocess.Popen(command, env=own, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        _wait(port, child)
        yield DeskService(f"https://localhost:{port}" if ca else f"http://127.0.0.1:{port}", folder, ca)
    finally:
        child.terminate()
        child.wait(20)


def _wait(port: int, child: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert child.poll() is None, "the service ended by itself"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the service did not start in 30 s")
