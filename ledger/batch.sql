-- name: open
-- Recorded and committed before the Kafka transaction that carries its answers.
INSERT INTO feedfall.batch (feed, shard, run, transactional_id, topic, topic_id, ends, ids)
VALUES (%(feed)s, %(shard)s, %(run)s, %(transactional_id)s, %(topic)s, %(topic_id)s, %(ends)s, %(ids)s)
RETURNING id

-- name: left_open
-- A batch whose run died: only Kafka knows whether its answers are visible.
SELECT id, transactional_id, topic, topic_id, ends, ids FROM feedfall.batch
WHERE feed = %(feed)s AND shard = %(shard)s AND closed_at IS NULL ORDER BY id

-- name: transactional_ids
-- Under which names this ledger's relays have written.
SELECT DISTINCT transactional_id FROM feedfall.batch WHERE feed = %(feed)s

-- name: close
-- Which of its answers are visible is known now.
UPDATE feedfall.batch SET answered = %(answered)s, closed_at = clock_timestamp(), closed_by = %(run)s
WHERE id = %(id)s AND closed_at IS NULL

-- name: began
-- Has this feed's relay ever recorded a batch, or a person accepted that its topic of requests was made anew?
SELECT EXISTS (SELECT FROM feedfall.batch WHERE feed = %(feed)s)
    OR EXISTS (SELECT FROM feedfall.source WHERE feed = %(feed)s AND stage = 'relay' AND closed_at IS NOT NULL)
