"""The model's database: emptied for a game, and looked at after each step."""

from __future__ import annotations

from dataclasses import dataclass

TABLE = 'CREATE TABLE written (_partition int, _offset bigint, _epoch bigint, _run bigint, "at" bigserial)'


@dataclass
class Seen:
    """What the database says after a step."""

    alive: bool
    """Does any run hold a lease that has not expired?"""
    leases: list[list[object]]
    """Partition, epoch, run, and whether it was given back."""
    sources: list[list[int]]
    """Partition, checkpoint, epoch."""
    written: list[list[int]]
    """Partition, offset, epoch."""
    spans: list[list[int]]
    held: bool

    def checkpoint(self, partition: int) -> int:
        return next((at for of, at, _ in self.sources if of == partition), 0)

    @property
    def checkpoints(self) -> int:
        """All together."""
        return sum(at for _, at, _ in self.sources)


BLANK = """
DELETE FROM feedfall.span; DELETE FROM feedfall.source; DELETE FROM written;
DELETE FROM feedfall.lease; DELETE FROM feedfall.drain; DELETE FROM feedfall.feed_control; DELETE FROM feedfall.run;
SELECT setval('feedfall.run_id_seq', 1, false), setval('feedfall.lease_id_seq', 1, false),
    setval('feedfall.source_id_seq', 1, false), setval('feedfall.span_id_seq', 1, false);
INSERT INTO feedfall.drain (feed, stage) VALUES ('model', 'sub');
INSERT INTO feedfall.lease (feed, stage, partition) SELECT 'model', 'sub', p FROM generate_series(0, {last}) AS p;
INSERT INTO feedfall.feed_control (feed) VALUES ('model')"""

WAITING = "SELECT DISTINCT pid FROM pg_locks WHERE NOT granted AND pid = ANY(%s)"

LOOK = """
SELECT coalesce((SELECT bool_or(expires_at > clock_timestamp()) FROM feedfall.run), false),
    (SELECT jsonb_agg(jsonb_build_array(partition, epoch, run, held) ORDER BY partition) FROM feedfall.lease),
    coalesce((SELECT jsonb_agg(jsonb_build_array(partition, next_offset, epoch) ORDER BY partition)
        FROM feedfall.source), '[]'),
    coalesce((SELECT jsonb_agg(jsonb_build_array(_partition, _offset, _epoch) ORDER BY "at") FROM written), '[]'),
    coalesce((SELECT jsonb_agg(jsonb_build_array(s.partition, p.from_offset) ORDER BY p.id)
        FROM feedfall.span p JOIN feedfall.source s ON s.id = p.source), '[]'),
    (SELECT held_at IS NOT NULL FROM feedfall.feed_control)"""
