-- name: ensure
-- The row that `share` locks.
INSERT INTO feedfall.feed_control (feed) VALUES (%(feed)s) ON CONFLICT DO NOTHING

-- name: share
-- Held until the chunk commits, so that `hold` returns only when nothing commits any more.
SELECT held_reason, blocked_reason, wait_until FROM feedfall.feed_control WHERE feed = %(feed)s FOR SHARE

-- name: state
-- Open, held or blocked, and why.
SELECT held_at, held_by, held_reason, blocked_at, blocked_code, blocked_stage, blocked_reason, wait_until
FROM feedfall.feed_control WHERE feed = %(feed)s

-- name: hold
-- No row moves until `free`. Waits for the chunk in flight.
INSERT INTO feedfall.feed_control AS c (feed, held_at, held_by, held_reason)
VALUES (%(feed)s, clock_timestamp(), %(who)s, %(reason)s)
ON CONFLICT (feed) DO UPDATE SET held_at = excluded.held_at, held_by = excluded.held_by, held_reason = excluded.held_reason

-- name: block
-- A fault that a person must look at; the first reason stays.
INSERT INTO feedfall.feed_control AS c (feed, blocked_at, blocked_code, blocked_stage, blocked_reason)
VALUES (%(feed)s, clock_timestamp(), %(code)s, %(stage)s, %(reason)s)
ON CONFLICT (feed) DO UPDATE SET blocked_at = excluded.blocked_at, blocked_code = excluded.blocked_code,
    blocked_stage = excluded.blocked_stage, blocked_reason = excluded.blocked_reason WHERE c.blocked_at IS NULL

-- name: free
-- Lifts a hold, a block and a wait alike.
UPDATE feedfall.feed_control SET held_at = NULL, held_by = NULL, held_reason = NULL, blocked_at = NULL, blocked_code = NULL,
    blocked_stage = NULL, blocked_reason = NULL, wait_until = NULL
WHERE feed = %(feed)s AND (held_at IS NOT NULL OR blocked_at IS NOT NULL OR wait_until IS NOT NULL)

-- name: free_all
-- Lifts the blocks of one exit code, of every feed that has one. Holds and waits stay.
WITH blocked AS (
    SELECT feed, blocked_stage, blocked_reason FROM feedfall.feed_control
    WHERE blocked_at IS NOT NULL AND blocked_code = %(code)s ORDER BY feed FOR UPDATE
)
UPDATE feedfall.feed_control c SET blocked_at = NULL, blocked_code = NULL, blocked_stage = NULL, blocked_reason = NULL
FROM blocked b WHERE c.feed = b.feed
RETURNING c.feed, b.blocked_stage AS stage, b.blocked_reason AS reason, c.held_by, c.held_reason

-- name: wait
-- A partner's quota is used up: relay sends no request before this.
UPDATE feedfall.feed_control SET wait_until = %(until)s WHERE feed = %(feed)s
