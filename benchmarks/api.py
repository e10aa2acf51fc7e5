"""The calendar service against a FastAPI endpoint that returns a constant: requests a CPU second, in the same run.

A second of the server's own CPU: what one process can do, whatever else the machine does.

Both are one uvicorn process with its defaults; 16 kept-alive connections ask each in turn. The service is asked for
another day each time, over ten years, so nothing is answered from a cache of its last answer.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import cycle
from statistics import median
from typing import TYPE_CHECKING

import psutil

from benchmarks.line import at_least
from benchmarks.pod import ROOT
from local.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.servers import Servers

CONNECTIONS = 16
FIRST = date(2018, 1, 8)
DAYS = [f"/v1/calendars/BANK/days/{FIRST + timedelta(days=n):%Y%m%d}" for n in range(3650)]
CONSTANT = """
import sys, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/constant")
async def constant():
    return {"is_business_day": True}
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
"""

OF_A_CONSTANT = 0.7
"""Of the requests a second of an endpoint that returns a constant."""


@dataclass
class Speed:
    """Requests a CPU second of each round."""

    constant: list[float] = field(default_factory=list)
    day: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return median(self.day) / median(self.constant)


def measure(servers: Servers, rounds: int, seconds: float = 2.0) -> Speed:
    found = Speed()
    floor, service = free_port(), free_port()
    with (
        servers.fresh() as url,
        serving(floor, "-c", CONSTANT, str(floor)) as constant,
        serving(service, "-m", "cli", "serve", f"--port={service}", url=url) as day,
    ):
        for each in range(rounds + 1):
            rates = asked(constant, floor, ["/constant"], seconds), asked(day, service, DAYS, seconds)
            if each:  # the first round warms both up
                found.constant.append(rates[0])
                found.day.append(rates[1])
    return found


@contextmanager
def serving(port: int, *words: str, url: str = "") -> Iterator[psutil.Process]:
    environment = {"PATH": "/usr/bin:/bin", "DATABASE_URL": url}
    child = subprocess.Popen([sys.executable, *words], env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        asyncio.run(_answers(port))
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait(20)


def asked(server: psutil.Process, port: int, paths: list[str], seconds: float) -> float:
    """Requests that were answered 200, a second of the server's CPU."""
    before = cpu(server)
    number = asyncio.run(_asked(port, paths, seconds))
    return number / (cpu(server) - before)


def cpu(server: psutil.Process) -> float:
    used = server.cpu_times()
    return float(used.user + used.system)


async def _asked(port: int, paths: list[str], seconds: float) -> int:
    ahead, until = cycle(paths), time.perf_counter() + seconds
    counts = await asyncio.gather(*(_connection(port, ahead, until) for _ in range(CONNECTIONS)))
    return sum(counts)


async def _connection(port: int, ahead: Iterator[str], until: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    number = 0
    while time.perf_counter() < until:
        writer.write(f"GET {next(ahead)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        number += 1
    writer.close()
    return number


async def _answers(port: int) -> None:
    for _ in range(400):
        try:
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
        except OSError:
            await asyncio.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nobody listens on port {port}")


def table(found: Speed) -> str:
    return "\n".join(
        [
            f"\n{'Calendar service, requests a CPU second':44}{'best':>10}{'median':>10}",
            f"{'FastAPI, a constant':44}{max(found.constant):>10,.0f}{median(found.constant):>10,.0f}",
            f"{'one day of BANK, another each time':44}{max(found.day):>10,.0f}{median(found.day):>10,.0f}",
            f"{'share':44}{'':10}{found.ratio:>10.2f}   {at_least(found.ratio, OF_A_CONSTANT)}",
        ]
    )
