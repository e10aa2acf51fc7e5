-- name: ensure
-- The row that `share` locks.
INSERT INTO feedfall.feed_control (feed) VALUES (%(feed)s) ON CONFLICT DO NOTHING

-- name: enter
-- Chunks side by side, and behind whoever waits for his turn: row locks that are shared pass a waiting UPDATE for ever.
SELECT pg_advisory_xact_lock_shared(%(space)s, hashtext(%(feed)s))

-- name: turn
-- Waits for the chunks in flight, and lets no other one begin.
SELECT pg_advisory_xact_lock(%(space)s, hashtext(%(feed)s))

-- name: share
-- Held until the chunk commits, so that `hold` returns only when nothing commits any more.
SELECT held_reason, blocked_reason, wait_until FROM feedfall.feed_control WHERE feed = %(feed)s FOR SHARE

-- name: state
-- Open, held or blocked, and why.
SELECT held_at, held_by, held_signed_in, held_reason, held_with_all, blocked_at, blocked_code, blocked_stage, blocked_reason, wait_until
FROM feedfall.feed_control WHERE feed = %(feed)s

-- name: hold
-- No row moves until `free`. Waits for the chunk in flight. Nothing where another person holds it, unless it is taken over.
INSERT INTO feedfall.feed_control AS c (feed, held_at, held_by, held_signed_in, held_reason, held_with_all)
VALUES (%(feed)s, clock_timestamp(), %(who)s, %(signed_in)s, %(reason)s, %(with_all)s)
ON CONFLICT (feed) DO UPDATE SET held_at = excluded.held_at, held_by = excluded.held_by,
    held_signed_in = excluded.held_signed_in, held_reason = excluded.held_reason, held_with_all = excluded.held_with_all
WHERE %(take_over)s OR c.held_at IS NULL
   OR (c.held_by, coalesce(c.held_signed_in, c.held_by)) IS NOT DISTINCT FROM (excluded.held_by, excluded.held_signed_in)

-- name: block
-- A fault that a person must look at; the first reason stays.
INSERT INTO feedfall.feed_control AS c (feed, blocked_at, blocked_code, blocked_stage, blocked_reason)
VALUES (%(feed)s, clock_timestamp(), %(code)s, %(stage)s, %(reason)s)
ON CONFLICT (feed) DO UPDATE SET blocked_at = excluded.blocked_at, blocked_code = excluded.blocked_code,
    blocked_stage = excluded.blocked_stage, blocked_reason = excluded.blocked_reason WHERE c.blocked_at IS NULL

-- name: lock
-- The row as it is, and as it stays until the transaction ends.
SELECT held_at, held_by, held_signed_in, held_reason, held_with_all, blocked_at, blocked_code, blocked_stage, blocked_reason, wait_until
FROM feedfall.feed_control WHERE feed = %(feed)s FOR UPDATE

-- name: free
-- Lifts a hold, a block, a wait, or all of them.
UPDATE feedfall.feed_control SET
    held_at = CASE WHEN NOT %(hold)s THEN held_at END,
    held_by = CASE WHEN NOT %(hold)s THEN held_by END,
    held_signed_in = CASE WHEN NOT %(hold)s THEN held_signed_in END,
    held_reason = CASE WHEN NOT %(hold)s THEN held_reason END,
    held_with_all = held_with_all AND NOT %(hold)s,
    blocked_at = CASE WHEN NOT %(block)s THEN blocked_at END,
    blocked_code = CASE WHEN NOT %(block)s THEN blocked_code END,
    blocked_stage = CASE WHEN NOT %(block)s THEN blocked_stage END,
    blocked_reason = CASE WHEN NOT %(block)s THEN blocked_reason END,
    wait_until = CASE WHEN NOT %(wait)s THEN wait_until END
WHERE feed = %(feed)s

-- name: held_with_all
-- The feeds that this person holds by `hold --all`.
SELECT feed FROM feedfall.feed_control
WHERE held_with_all AND held_by = %(who)s AND held_signed_in = %(signed_in)s ORDER BY feed FOR UPDATE

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
