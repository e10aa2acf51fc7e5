-- name: accept
-- A person's word that these offsets are lost, or (moved_to) that another source goes on in their place.
INSERT INTO feedfall.gap (source, from_offset, to_offset, run, who, reason, moved_to)
VALUES (%(source)s, %(from_offset)s, %(to_offset)s, %(run)s, %(who)s, %(reason)s, %(moved_to)s)

-- name: close
-- The fence as for a chunk: only a lease's own epoch, only where it was read.
UPDATE feedfall.source SET closed_at = clock_timestamp()
WHERE id = %(source)s AND (partition, epoch) IN (SELECT * FROM unnest(%(partitions)s::int[], %(epochs)s::bigint[]))
  AND next_offset = %(from_offset)s AND closed_at IS NULL

-- name: unblock
-- Lifts the block of an offset gap, and no other; a hold stays.
UPDATE feedfall.feed_control SET blocked_at = NULL, blocked_code = NULL, blocked_stage = NULL, blocked_reason = NULL
WHERE feed = %(feed)s AND blocked_code = %(code)s

-- name: accepted
-- What was accepted, oldest first.
SELECT s.stage, s.topic, s.partition, g.from_offset, g.to_offset, g.who, g.reason, g.at,
    m.topic AS moved_topic, m.first_offset AS moved_offset
FROM feedfall.gap g JOIN feedfall.source s ON s.id = g.source LEFT JOIN feedfall.source m ON m.id = g.moved_to WHERE s.feed = %(feed)s ORDER BY g.at, s.partition
