"""Deliberately broken variants of the product, to prove that the proof can fail.

Each is the product without one of its safeguards, taken out between it and its drivers: a statement is rewritten on its
way to the database, a client is given another name. Without a fault each does its work to the last row.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg

from proof import tap


@dataclass(frozen=True)
class Variant:
    """What is broken, and the scene and fault that must show it."""

    scene: str
    fault: str
    rewrites: tuple[tuple[str, str], ...] = ()
    """What a statement says → what it says instead."""
    commits_before: str = ""
    """A COMMIT of its own before the statement that begins so."""
    unfenced: bool = False
    """Each relay has a transactional id of its own."""
    at: str = ""
    """Only calls whose name begins so: where it must show."""


VARIANTS = {
    # The checkpoint moves in a transaction of its own, after the rows: who dies between the two loads rows twice.
    "checkpoint apart": Variant(
        "sub", "SIGKILL", commits_before="UPDATE feedfall.source SET next_offset", at="pg chunk."
    ),
    # Nothing compares the epoch: a frozen run goes on writing after its successor.
    "no fence": Variant(
        "sub",
        "SIGSTOP",
        rewrites=(
            ("bool_and(l.epoch = h.epoch)", "true"),
            ("WHERE id = %(run)s AND expires_at IS NOT NULL", "WHERE id = %(run)s"),
            ("AND (partition, epoch) IN (SELECT * FROM unnest(%(partitions)s::int[], %(epochs)s::bigint[]))", ""),
            ("AND next_offset = %(from_offset)s", ""),
        ),
        at="Consumer.commit",
    ),
    # Nobody looks in Kafka for answers that the ledger does not know: they are written again.
    "answers forgotten": Variant(
        "relay",
        "SIGKILL",
        rewrites=(
            ("SELECT id, transactional_id, topic,", "SELECT id, transactional_id, 'nowhere' AS topic,"),
            (
                "correlation_id FROM feedfall.request WHERE correlation_id = ANY(%(ids)s) AND answered_at IS NOT",
                "id FROM unnest(%(ids)s::uuid[]) AS i (id) WHERE id IS NOT",
            ),
        ),
        at="pg request.answer",
    ),
    # No relay fences the previous holder: a frozen one commits its answers beside its successor's.
    "two relays": Variant("relay", "SIGSTOP", unfenced=True, at="Producer.produce"),
}


def install(name: str) -> None:
    """Break this process, which ends with its pod. An empty name leaves it whole."""
    if not name:
        return
    variant = VARIANTS[name]
    execute = psycopg.Cursor.execute

    def rewritten(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        text = query if isinstance(query, str) else ""
        if variant.commits_before and variant.commits_before in text:
            execute(self, "COMMIT")
            execute(self, "BEGIN")
        for said, instead in variant.rewrites:
            text = text.replace(said, instead)
        return execute(self, text or query, *args, **kwargs)

    psycopg.Cursor.execute = rewritten
    if variant.unfenced:
        _unfence()


def _unfence() -> None:
    make, number = tap.Producer.__init__, count()

    def alone(self: Any, config: dict[str, Any]) -> None:
        if "transactional.id" in config:
            config["transactional.id"] += f".{tap.TAP.environ['WORKFLOW_UID']}.{next(number)}"
        make(self, config)

    tap.Producer.__init__ = alone
