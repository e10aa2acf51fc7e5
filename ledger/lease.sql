-- name: ensure
-- The row of (feed, stage, shard), and the feed's control row, made by the run that comes first.
WITH control AS (
    INSERT INTO feedfall.feed_control (feed) VALUES (%(feed)s) ON CONFLICT DO NOTHING
)
INSERT INTO feedfall.lease (feed, stage, shard) VALUES (%(feed)s, %(stage)s, %(shard)s) ON CONFLICT DO NOTHING

-- name: cap
-- Where the database's clock was set back: no lease lasts longer than a whole one from now. A live holder renews it.
UPDATE feedfall.lease SET expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE expires_at > clock_timestamp() + %(seconds)s * interval '1 second'
  AND (%(feed)s::text IS NULL OR feed = %(feed)s AND stage = %(stage)s AND shard = %(shard)s)

-- name: take
-- Free, expired, or held by this very Workflow (Argo's retry): ours, under a higher epoch.
WITH before AS (
    SELECT run FROM feedfall.lease WHERE feed = %(feed)s AND stage = %(stage)s AND shard = %(shard)s
)
UPDATE feedfall.lease
SET holder = %(holder)s, run = %(run)s, epoch = epoch + 1, taken_at = clock_timestamp(),
    expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE feed = %(feed)s AND stage = %(stage)s AND shard = %(shard)s
  AND (expires_at IS NULL OR expires_at < clock_timestamp() OR holder = %(holder)s)
RETURNING id, epoch, (SELECT run FROM before)

-- name: lost
-- The previous holder never recorded how it ended; if it still can, it will write that over this.
UPDATE feedfall.run SET status = 'LOST', ended_at = clock_timestamp(), reason = 'taken over by run ' || %(by)s::text
WHERE id = %(run)s AND id <> %(by)s AND status = 'RUNNING'

-- name: killed
-- Runs of this drain that ended without a word since its checkpoint moved or a person freed the feed, and since one ended
-- well. The run that moved it last counts too: it was killed at what came after.
SELECT count(*) FROM feedfall.run r
WHERE r.feed = %(feed)s AND r.stage = %(stage)s AND r.shard = %(shard)s AND r.status = 'LOST'
  AND r.id >= coalesce((SELECT max(last.run) FROM feedfall.source s CROSS JOIN LATERAL (
        SELECT p.run FROM feedfall.span p WHERE p.source = s.id ORDER BY p.from_offset DESC LIMIT 1) AS last
    WHERE s.feed = %(feed)s AND s.stage = %(stage)s AND s.shard = %(shard)s), 0)
  AND r.id > coalesce((SELECT max(e.id) FROM feedfall.run e
    WHERE e.feed = %(feed)s AND e.stage = %(stage)s AND e.shard = %(shard)s AND e.status = 'SUCCEEDED'), 0)

-- name: killed_since_freed
-- Of the drain's runs that ended without a word, those since a person last freed the feed.
SELECT count(*) FROM feedfall.run r
WHERE r.feed = %(feed)s AND r.stage = %(stage)s AND r.shard = %(shard)s AND r.status = 'LOST' AND r.started_at >
    coalesce((SELECT max(j.at) FROM feedfall.journal j WHERE j.feed = %(feed)s AND j.verb = 'free'), '-infinity')

-- name: held
-- Who has it, and for how long.
SELECT r.name, extract(epoch FROM l.expires_at - clock_timestamp())::float8
FROM feedfall.lease l LEFT JOIN feedfall.run r ON r.id = l.run
WHERE l.feed = %(feed)s AND l.stage = %(stage)s AND l.shard = %(shard)s

-- name: renew
-- No row: another run has taken it.
UPDATE feedfall.lease SET expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE id = %(id)s AND epoch = %(epoch)s AND expires_at IS NOT NULL

-- name: release
-- Free at once, unless it is no longer ours.
UPDATE feedfall.lease SET expires_at = NULL WHERE id = %(id)s AND epoch = %(epoch)s

-- name: lock
-- Who writes: a chunk's transaction holds the lock from its first statement to its last.
SELECT pg_try_advisory_xact_lock(%(space)s, %(id)s)

-- name: mine
-- Has no other run taken it since?
SELECT epoch = %(epoch)s FROM feedfall.lease WHERE id = %(id)s

-- name: writers
-- The backends that hold that lock, under whatever pooling.
SELECT pid FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = %(space)s::int::oid AND objid = %(id)s::int::oid
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())

-- name: end
-- A pod frozen in mid-COPY meets no time-out; only this frees its lock.
SELECT pg_terminate_backend(%(pid)s)

-- name: fence
-- Checkpoint rows take the new epoch: a chunk begun under the old one can no longer move them.
UPDATE feedfall.source SET epoch = %(epoch)s WHERE feed = %(feed)s AND stage = %(stage)s AND shard = %(shard)s

-- name: guard
-- At the head of every chunk: the writer's lock, and whether the lease is still this run's.
SELECT pg_try_advisory_xact_lock(%(space)s, %(id)s), epoch = %(epoch)s FROM feedfall.lease WHERE id = %(id)s

-- name: states
-- All leases, for people and for the sweep.
SELECT feed, stage, shard, epoch, (expires_at IS NULL OR expires_at < clock_timestamp()) FROM feedfall.lease

-- name: me
-- Which role this is.
SELECT quote_ident(current_user)

-- name: at_work
-- Is a backend inside a chunk of this drain now?
SELECT EXISTS (SELECT FROM pg_locks p JOIN feedfall.lease l ON p.objid = l.id::oid
    WHERE p.locktype = 'advisory' AND p.granted AND p.objsubid = 2 AND p.classid = %(space)s::int::oid
      AND p.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.feed = %(feed)s AND l.stage = %(stage)s AND l.shard = %(shard)s)
