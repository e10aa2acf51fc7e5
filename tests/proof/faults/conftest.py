"""Here `bank` is one whose Kafka and database are reached through proxies."""

from faults.fixtures import bank, door, waiting, wire

__all__ = ["bank", "door", "waiting", "wire"]
