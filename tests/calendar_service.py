"""The calendar service as a process of its own, as the image runs it, and hands to use it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from bank import ROOT
from local.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TOKEN = "a-token-of-thirty-two-characters"  # noqa: S105 -- a test's own
KIM = {"Authorization": f"Bearer {TOKEN}"}


@contextmanager
def serving(url: str, tokens: Path | None = None, environ: Mapping[str, str] | None = None) -> Iterator[httpx.Client]:
    """Serve from a database until the block ends."""
    port = free_port()
    own = {**os.environ, "DATABASE_URL": url, **({"FEEDFALL_CALENDAR_TOKENS": str(tokens)} if tokens else {})}
    command = [sys.executable, "-m", "cli", "serve", f"--port={port}"]
    child = subprocess.Popen(command, env={**own, **(environ or {})}, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
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
