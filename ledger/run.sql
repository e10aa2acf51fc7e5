-- name: start
-- One execution of one stage.
INSERT INTO feedfall.run (feed, stage, uid, name, code)
VALUES (%(feed)s, %(stage)s, %(uid)s, %(name)s, %(code)s) RETURNING id

-- name: finish
-- How it ended, and the counts of its RESULT line.
UPDATE feedfall.run SET status = %(status)s, exit_code = %(exit_code)s, reason = %(reason)s, counts = %(counts)s,
    ended_at = clock_timestamp() WHERE id = %(id)s

-- name: latest
-- The newest runs, of one feed or of all; sweeps only where they are asked for. `dates`: the first and the last base date that pub
-- was asked for, relay answered, or sub recorded.
SELECT r.id, r.feed, r.stage, r.name, r.status, r.exit_code, r.reason, r.counts, r.partitions, r.started_at, r.ended_at,
    CASE r.stage WHEN 'pub' THEN string_to_array(r.counts ->> 'date', '..') WHEN 'relay' THEN (
        SELECT ARRAY[min(base_date)::text, max(base_date)::text] FROM feedfall.request WHERE correlation_id = ANY (ARRAY(
            SELECT unnest(coalesce(b.answered, b.ids)) FROM feedfall.batch b WHERE b.feed = r.feed AND b.run = r.id)))
    WHEN 'sub' THEN (
        SELECT ARRAY[min(base_date)::text, max(base_date)::text] FROM feedfall.request q WHERE q.feed = r.feed AND q.last_run = r.id)
    END AS dates
FROM (SELECT * FROM feedfall.run WHERE (%(feed)s::text IS NULL OR feed = %(feed)s) AND (%(sweeps)s OR stage <> 'sweep')
    ORDER BY id DESC LIMIT %(limit)s) AS r ORDER BY r.id DESC

-- name: last
-- How the last runs of a stage ended, the newest first.
SELECT status, exit_code, ended_at, coalesce((counts ->> 'loaded')::bigint, 0) AS loaded FROM feedfall.run
WHERE feed = %(feed)s AND stage = %(stage)s ORDER BY id DESC LIMIT %(limit)s
