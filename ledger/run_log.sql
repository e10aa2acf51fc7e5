-- name: keep
-- The last lines of a run that failed; of each feed the newest are kept.
WITH old AS (
    DELETE FROM feedfall.run_log WHERE run IN (
        SELECT run FROM feedfall.run_log WHERE feed = %(feed)s ORDER BY run DESC OFFSET %(others)s)
)
INSERT INTO feedfall.run_log (run, feed, lines) VALUES (%(run)s, %(feed)s, %(lines)s) ON CONFLICT DO NOTHING

-- name: of_name
-- The runs of one Workflow, each attempt, with what was kept of their logs.
SELECT r.feed, r.stage, r.name, r.status, r.exit_code, r.reason, r.counts, r.started_at, r.ended_at, l.lines
FROM feedfall.run r LEFT JOIN feedfall.run_log l ON l.run = r.id WHERE r.name = %(name)s ORDER BY r.id DESC LIMIT 20
