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

from benchmarks import pod
from benchmarks.api import api
from benchmarks.beside import beside, table
from benchmarks.cold import cold
from benchmarks.days import QUESTIONS, days
from benchmarks.servers import servers
from benchmarks.step import step
from benchmarks.verify import proof

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.api import Speed
    from benchmarks.cold import Cold
    from benchmarks.days import Days
    from benchmarks.servers import Servers
    from benchmarks.step import Step
    from benchmarks.verify import Proof

PACKAGES = ("confluent-kafka", "psycopg", "pydantic", "pydantic-core", "fastapi", "uvicorn")
A_MILLION, A_PEER, A_FEW = 1_000_000, 300_000, 3
RATIO, PEAK, NOTHING, MESSAGE = 1.5, 150.0, 0.35, 0.40
GUARANTEES, PROOF = 1.15, 2.0
ONE_QUESTION, OF_A_SET = 60.0, 0.2
#: Of the requests a second of an endpoint that returns a constant.
OF_A_CONSTANT = 0.7


def main(words: Sequence[str]) -> None:
    asked = parser().parse_args(words)
    with tempfile.TemporaryDirectory(prefix="feedfall-bench-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as nobody where we are root
        with servers(Path(folder)) as found:
            about = machine(found)
            print(" · ".join(about.values()), flush=True)
            found.create_topics(price=4, fx=4)
            starts = cold(found, asked.starts)
            print(cold_table(starts), flush=True)
            questions = days(asked.starts)
            print(days_table(questions), flush=True)
            speed = api(found, asked.repetitions)
            print(api_table(speed), flush=True)
            filled = pod.run("-m", "benchmarks.fill", found.kafka, str(asked.messages)).seconds
            print(f"\n{asked.messages:,} messages written to 4 partitions in {filled:.0f} s", flush=True)
            whole = step(found, asked.messages, asked.repetitions, Path(folder))
            print(step_table(whole), flush=True)
            peers = beside(found, min(asked.messages, A_PEER), A_FEW)
            proofs = [proof(found, asked.offsets, *books, asked.proofs) for books in ((100, 20), (20_000, 20_000))]
    print(table(peers, whole.messages / median(whole.pods)))
    print(proof_table(proofs, asked.offsets))
    if asked.json:
        measured = {
            "machine": about,
            "step": vars(whole),
            "cold": vars(starts),
            "peers": peers,
            "verify": [vars(each) for each in proofs],
            "days": vars(questions),
            "api": vars(speed),
        }
        asked.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


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


def cold_table(found: Cold) -> str:
    rows = [
        line("python -c pass", found.seconds["python"]),
        line("its imports alone", found.seconds["imports"]),
        line("a pod with nothing to do", found.seconds["nothing"], NOTHING),
        line("a pod with one message", found.seconds["message"], MESSAGE),
    ]
    return "\n".join(
        [f"\n{'Cold start':44}{'best':>10}{'median':>10}", *rows, "", split_table(found.nothing, found.message)]
    )


def split_table(nothing: Mapping[str, Sequence[float]], message: Mapping[str, Sequence[float]]) -> str:
    rows = [
        f"  {name:42}{1000 * median(nothing.get(name, [0])):>7.1f} ms{1000 * median(seconds):>7.1f} ms"
        for name, seconds in message.items()
    ]
    return "\n".join([f"{'Where it goes (some lie within others)':44}{'nothing':>10}{'message':>10}", *rows])


def days_table(found: Days) -> str:
    """Business days: processes of one question over bare Python; a loop beside `day in set`."""
    over = {name: found.over_bare(name) for name in QUESTIONS}
    processes = [
        f"{f'a process: {name}':44}{'':10}{1000 * seconds:>7.1f} ms   {verdict(1000 * seconds, ONE_QUESTION, ' ms')}"
        for name, seconds in over.items()
    ]
    again, first = found.ratio(found.again), found.ratio(found.first)
    judged = f"{'ok' if again >= OF_A_SET else 'MISSED'}: at least {OF_A_SET:g}"
    return "\n".join(
        [
            f"\n{'Business days, over bare Python':44}{'':10}{'median':>10}",
            *processes,
            f"{'is_business_day in a loop, of a set':44}{'':10}{again:>10.2f}   {judged}",
            f"{'… each day for the first time':44}{'':10}{first:>10.2f}",
        ]
    )


def api_table(found: Speed) -> str:
    best, judged = (max(found.constant), max(found.day)), "ok" if found.ratio >= OF_A_CONSTANT else "MISSED"
    return "\n".join(
        [
            f"\n{'Calendar service, requests a CPU second':44}{'best':>10}{'median':>10}",
            f"{'FastAPI, a constant':44}{best[0]:>10,.0f}{median(found.constant):>10,.0f}",
            f"{'one day of BANK, another each time':44}{best[1]:>10,.0f}{median(found.day):>10,.0f}",
            f"{'share':44}{'':10}{found.ratio:>10.2f}   {judged}: at least {OF_A_CONSTANT:g}",
        ]
    )


def step_table(found: Step) -> str:
    speed, peak = found.messages / median(found.pods) / 1000, max(found.peaks)
    judged = verdict(found.ratio, RATIO, "") if found.messages >= A_MILLION else "judged at a million messages"
    return "\n".join(
        [
            f"\n{'The whole step':44}{'best':>10}{'median':>10}",
            line("the pod's process, exec to exit", found.pods),
            line("of that, first to last row of the ledger", found.runs),
            line("of that, CPU", found.cpus),
            line("COPY of the same rows, ready made", found.floors),
            f"{'ratio of the medians':44}{'':10}{found.ratio:>10.2f}   {judged}",
            line("the same without the guarantees", found.bares),
            line("of that, CPU", found.bare_cpus),
            f"{'what they cost, ratio of the medians':44}{'':10}{found.guarantees:>10.2f}   "
            + (
                verdict(found.guarantees, GUARANTEES, "")
                if found.messages >= A_MILLION
                else "judged at a million messages"
            ),
            f"{'ratio of each pair, best and median':44}{min(found.pairs):>10.2f}{median(found.pairs):>10.2f}",
            f"{'speed':44}{'':10}{speed:>6.0f} k/s",
            f"{'peak memory, the highest':44}{'':10}{peak:>6.0f} MiB   {verdict(peak, PEAK, ' MiB')}",
        ]
    )


def proof_table(found: Sequence[Proof], offsets: int) -> str:
    rows = [
        row
        for each in found
        for row in (
            line(f"in {each.spans:,} spans: feedfall verify", each.commands, PROOF),
            line("of that, the proof", each.proofs),
            f"{'the first on fresh rows (it marks them read)':44}{'':10}{each.first:>8.2f} s",
        )
    ]
    return "\n".join([f"\n{f'verify of {offsets:,} offsets':44}{'best':>10}{'median':>10}", *rows])


def line(name: str, seconds: Sequence[float], target: float | None = None) -> str:
    row = f"{name:44}{min(seconds):>8.2f} s{median(seconds):>8.2f} s"
    return row if target is None else f"{row}   {verdict(median(seconds), target, ' s')}"


def verdict(value: float, target: float, unit: str) -> str:
    return f"{'ok' if value <= target else 'MISSED'}: at most {target:g}{unit}"


if __name__ == "__main__":
    main(sys.argv[1:])
