-- name: start
-- One execution of one stage.
INSERT INTO feedfall.run (feed, stage, uid, name, code)
VALUES (%(feed)s, %(stage)s, %(uid)s, %(name)s, %(code)s) RETURNING id

-- name: finish
-- How it ended, and the counts of its RESULT line.
UPDATE feedfall.run SET status = %(status)s, exit_code = %(exit_code)s, reason = %(reason)s, counts = %(counts)s,
    ended_at = clock_timestamp() WHERE id = %(id)s

-- name: latest
-- The newest runs, of one feed or of all.
SELECT id, feed, stage, name, status, exit_code, reason, counts, partitions, started_at, ended_at FROM feedfall.run
WHERE %(feed)s::text IS NULL OR feed = %(feed)s ORDER BY id DESC LIMIT %(limit)s

-- name: last
-- How the last runs of a stage ended, the newest first.
SELECT status, exit_code, ended_at, coalesce((counts ->> 'loaded')::bigint, 0) AS loaded FROM feedfall.run
WHERE feed = %(feed)s AND stage = %(stage)s ORDER BY id DESC LIMIT %(limit)s
