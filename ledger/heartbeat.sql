-- name: record
-- A sweep came to its end; `good`: without a fault.
INSERT INTO feedfall.sweep AS s (ended_at, run, good_at, good_run)
VALUES (clock_timestamp(), %(run)s, CASE WHEN %(good)s::boolean THEN clock_timestamp() END,
    CASE WHEN %(good)s::boolean THEN %(run)s::bigint END)
ON CONFLICT (single) DO UPDATE SET ended_at = excluded.ended_at, run = excluded.run,
    good_at = coalesce(excluded.good_at, s.good_at), good_run = coalesce(excluded.good_run, s.good_run)

-- name: last
-- The last sweep and the last good one, and how long ago they were, by the server's clock.
SELECT run, clock_timestamp() - ended_at AS age, good_run, clock_timestamp() - good_at AS good_age FROM feedfall.sweep

-- name: lag
-- What the sweep saw of the topics.
UPDATE feedfall.sweep SET lag = %(lag)s
