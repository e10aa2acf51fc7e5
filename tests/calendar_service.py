"""The calendar service as a process of its own, as the image runs it, and hands to use it."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from bank import ROOT
from local.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TOKEN = "a-token-of-thirty-two-characters"  # noqa: S105 -- a test's own
KIM = {"Authorization": f"Bearer {TOKEN}"}


@contextmanager
def serving(
    url: str, tokens: Path | None = None, environ: Mapping[str, str] | None = None, ca: Path | None = None
) -> Iterator[httpx.Client]:
    """Serve from a database until the block ends. `ca`: over TLS, with the certificate that `environ` names."""
    port = free_port()
    own = {**os.environ, "DATABASE_URL": url, **({"FEEDFALL_CALENDAR_TOKENS": str(tokens)} if tokens else {})}
    command = [sys.executable, "-m", "cli", "serve", f"--port={port}"]
    child = subprocess.Popen(command, env={**own, **(environ or {})}, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        address = f"https://localhost:{port}" if ca else f"http://127.0.0.1:{port}"
        trust = ssl.create_default_context(cafile=ca) if ca else True
        with httpx.Client(base_url=address, timeout=10, verify=trust) as client:
            _wait(client, child)
            yield client
    finally:
        child.terminate()
        child.wait(20)


def holders(folder: Path) -> Path:
    """A folder of tokens, as a Secret is mounted."""
    (folder / "kim").write_text(f"{TOKEN}\npast = yes\n")
    (folder / "..data").mkdir()
    return folder


def certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key; for localhost if no name is given."""
    if shutil.which("openssl") is None:
        pytest.skip("no `openssl` on the PATH")
    key, cert = folder / "tls.key", folder / "tls.crt"
    subject = "subjectAltName=IP:127.0.0.1," + ",".join(f"DNS:{name}" for name in names or ("localhost",))
    command = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", subject]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subprocess.run([*command, *curve, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def _wait(client: httpx.Client, child: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        assert child.poll() is None, "the service ended by itself"
        try:
            client.get("/healthz")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the service did not start in 20 s")
