"""Finds simulators by the feeds' `partner=`: its last word is the file's name here (`feeds.partners.ecb`: `ecb.py`).

A partner without such a file has no simulator: relay sends its requests to the real one.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from catalog import Feed
from local.partners.server import Simulator


def name_of(partner: str) -> str:
    """A partner's short name: it also stands in FEEDFALL_PARTNER_URL_<NAME>."""
    return partner.rpartition(".")[2]


def names(feeds: Sequence[Feed]) -> list[str]:
    """The short names of all partners of these feeds."""
    return sorted({name_of(feed.partner) for feed in feeds if feed.partner})


def every(feeds: Sequence[Feed]) -> dict[str, Simulator]:
    """Make a simulator of each partner that has one: short name → simulator."""
    return {name: simulator for name in names(feeds) if (simulator := load(name))}


def load(name: str) -> Simulator | None:
    """Make the simulator of one partner; None where there is no file for it."""
    module = f"{__package__}.{name}"
    if find_spec(module) is None or not hasattr(found := import_module(module), "simulator"):
        return None
    simulator: Simulator = found.simulator()
    return simulator
