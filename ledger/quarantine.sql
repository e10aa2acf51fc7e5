-- name: worklist
-- What waits for a person, newest first.
SELECT s.feed, s.topic, s.partition, q."offset", q.row, q.fate, q.reason, q.value, q.at
FROM feedfall.quarantine q JOIN feedfall.source s ON s.id = q.source
WHERE %(feed)s::text IS NULL OR s.feed = %(feed)s ORDER BY q.at DESC, q.source, q."offset", q.row LIMIT %(limit)s
