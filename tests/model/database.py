"""The model's database: emptied for a game, and looked at after each step."""

from __future__ import annotations

from dataclasses import dataclass

TABLE = 'CREATE TABLE written (_offset bigint, _epoch bigint, _run bigint, "at" bigserial)'


@dataclass
class Seen:
    """What the database says after a step."""

    epoch: int
    holder: str | None
    alive: bool
    checkpoint: int
    fence: int
    written: tuple[tuple[int, int], ...]
    spans: tuple[int, ...]
    held: bool


BLANK = """
DELETE FROM feedfall.span; DELETE FROM feedfall.source; DELETE FROM written;
DELETE FROM feedfall.lease; DELETE FROM feedfall.feed_control; DELETE FROM feedfall.run;
SELECT setval('feedfall.run_id_seq', 1, false), setval('feedfall.lease_id_seq', 1, false),
    setval('feedfall.source_id_seq', 1, false), setval('feedfall.span_id_seq', 1, false);
INSERT INTO feedfall.lease (feed, stage, shard) VALUES ('model', 'sub', 0);
INSERT INTO feedfall.feed_control (feed) VALUES ('model')"""

WAITING = "SELECT DISTINCT pid FROM pg_locks WHERE NOT granted AND pid = ANY(%s)"

LOOK = """
SELECT l.epoch, l.holder, coalesce(l.expires_at > clock_timestamp(), false),
    coalesce((SELECT next_offset FROM feedfall.source), 0), coalesce((SELECT epoch FROM feedfall.source), 0),
    coalesce((SELECT array_agg(ARRAY[_offset, _epoch] ORDER BY "at") FROM written), '{}'),
    coalesce((SELECT array_agg(from_offset ORDER BY id) FROM feedfall.span), '{}'),
    (SELECT held_at IS NOT NULL FROM feedfall.feed_control)
FROM feedfall.lease l"""
