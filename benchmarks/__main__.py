"""make bench: start servers, measure, print a table with the targets beside it, leave nothing behind."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import api, beside, cold, days, parallel, pod, step, verify
from benchmarks.servers import servers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.servers import Servers

PACKAGES = ("confluent-kafka", "psycopg", "pydantic", "pydantic-core", "fastapi", "uvicorn")
A_MILLION, A_PEER, A_FEW = 1_000_000, 300_000, 3
#: Spans, and entries in quarantine, of each ledger that is verified.
BOOKS = ((100, 20), (20_000, 20_000))


def main(words: Sequence[str]) -> None:
    asked = parser().parse_args(words)
    with tempfile.TemporaryDirectory(prefix="feedfall-bench-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as nobody where we are root
        with servers(Path(folder)) as found:
            about = machine(found)
            print(" · ".join(about.values()), flush=True)
            measured = {"machine": about, **measure(found, asked, Path(folder))}
    if asked.json:
        asked.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


def measure(found: Servers, asked: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Each in turn, its table printed as soon as it is there."""
    found.create_topics(price=4, fx=4)
    starts = cold.measure(found, asked.starts)
    print(cold.table(starts), flush=True)
    questions = days.measure(asked.starts)
    print(days.table(questions), flush=True)
    service = api.measure(found, asked.repetitions)
    print(api.table(service), flush=True)
    filled = pod.run("-m", "benchmarks.fill", found.kafka, str(asked.messages)).seconds
    print(f"\n{asked.messages:,} messages written to 4 partitions in {filled:.0f} s", flush=True)
    whole = step.measure(found, asked.messages, asked.repetitions, folder)
    print(step.table(whole), flush=True)
    together = parallel.measure(found, asked.messages, A_FEW)
    print(parallel.table(together), flush=True)
    peers = beside.measure(found, min(asked.messages, A_PEER), A_FEW)
    print(beside.table(peers, whole.messages / median(whole.pods)), flush=True)
    proofs = [verify.measure(found, asked.offsets, *books, asked.proofs) for books in BOOKS]
    print(verify.table(proofs, asked.offsets), flush=True)
    parts = {
        "cold": vars(starts),
        "days": vars(questions),
        "api": vars(service),
        "step": vars(whole),
        "parallel": vars(together),
    }
    return {**parts, "peers": peers, "verify": [vars(each) for each in proofs]}


def parser() -> argparse.ArgumentParser:
    form = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios against floors.")
    form.add_argument("--messages", type=int, default=A_MILLION, help="of the whole step: 1,000,000")
    form.add_argument("--repetitions", type=int, default=7, help="of the whole step and its floor, in turn: 7")
    form.add_argument("--starts", type=int, default=11, help="cold starts of each kind: 11")
    form.add_argument("--offsets", type=int, default=10 * A_MILLION, help="of `feedfall verify`: 10,000,000")
    form.add_argument("--proofs", type=int, default=5, help="of each ledger: 5")
    form.add_argument("--json", type=Path, help="write every single measurement here")
    return form


def machine(found: Servers) -> dict[str, str]:
    """What was measured on. Python's own build counts: one without PGO and LTO is a sixth slower."""
    load = os.getloadavg()[0]
    return {
        "machine": f"{len(os.sched_getaffinity(0))} cores ({platform.machine()}), load {load:.1f} before",
        "python": f"Python {platform.python_version()} ({'' if optimized() else 'not '}optimized)",
        "database": found.version(),
        **{name: f"{name} {version(name)}" for name in PACKAGES},
    }


def optimized() -> bool:
    """Was this interpreter built with profile-guided optimization?"""
    return "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")


if __name__ == "__main__":
    main(sys.argv[1:])
