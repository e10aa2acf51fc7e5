-- name: open
-- Recorded and committed before the Kafka transaction that carries its answers.
INSERT INTO feedfall.batch (feed, run, transactional_id, topic, topic_id, ends, ids)
VALUES (%(feed)s, %(run)s, %(transactional_id)s, %(topic)s, %(topic_id)s, %(ends)s, %(ids)s)
RETURNING id

-- name: left_open
-- A batch whose run died: only Kafka knows whether its answers are visible.
SELECT id, transactional_id, topic, topic_id, ends, ids FROM feedfall.batch
WHERE feed = %(feed)s AND closed_at IS NULL ORDER BY id

-- name: transactional_ids
-- Under which names this ledger's relays have written.
SELECT DISTINCT transactional_id FROM feedfall.batch WHERE feed = %(feed)s

-- name: close
-- Which of its answers are visible is known now.
UPDATE feedfall.batch SET answered = %(answered)s, closed_at = clock_timestamp(), closed_by = %(run)s
WHERE id = %(id)s AND closed_at IS NULL

-- name: last
-- Up to where the response topic was known when relay last wrote into it.
SELECT topic, topic_id, ends FROM feedfall.batch WHERE feed = %(feed)s ORDER BY id DESC LIMIT 1

-- name: loaded_to
-- Up to where sub has recorded the answers of the response topic.
SELECT partition, next_offset FROM feedfall.source
WHERE feed = %(feed)s AND stage = 'sub' AND topic = %(topic)s AND topic_id = %(topic_id)s AND closed_at IS NULL
