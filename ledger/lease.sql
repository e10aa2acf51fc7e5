-- name: ensure
-- A lease for each partition, the stage's count of claims, and the feed's control row, made by the run that comes first.
WITH control AS (
    INSERT INTO feedfall.feed_control (feed) VALUES (%(feed)s) ON CONFLICT DO NOTHING
), counted AS (
    INSERT INTO feedfall.drain (feed, stage) VALUES (%(feed)s, %(stage)s) ON CONFLICT DO NOTHING
)
INSERT INTO feedfall.lease (feed, stage, partition)
SELECT %(feed)s, %(stage)s, each FROM unnest(%(partitions)s::int[]) AS each ORDER BY each ON CONFLICT DO NOTHING

-- name: leases
-- A stage's leases before a claim: whose they are, and whether this run may take them. It may when they were given back,
-- when they have expired, and when an earlier attempt of this very pod holds them (Argo's retry).
SELECT l.partition, l.id, l.epoch, l.run, l.held,
    NOT l.held OR l.run = me.id OR r.expires_at IS NULL OR r.expires_at < clock_timestamp() OR r.uid = me.uid
        AS is_free, d.claims
FROM feedfall.lease l JOIN feedfall.drain d ON d.feed = l.feed AND d.stage = l.stage
JOIN feedfall.run me ON me.id = %(run)s LEFT JOIN feedfall.run r ON r.id = l.run
WHERE l.feed = %(feed)s AND l.stage = %(stage)s ORDER BY l.partition

-- name: cap
-- Where the database's clock was set back: no lease lasts longer than a whole one from now. A live holder renews it.
UPDATE feedfall.run SET expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE expires_at > clock_timestamp() + %(seconds)s * interval '1 second'

-- name: take
-- Ours, under higher epochs, unless another claim came first: then nothing happens. Who loses one lease loses all.
WITH first AS (
    UPDATE feedfall.drain SET claims = claims + 1
    WHERE feed = %(feed)s AND stage = %(stage)s AND claims = %(claims)s RETURNING claims
), lost AS (
    UPDATE feedfall.run SET expires_at = NULL FROM first
    WHERE id = ANY(%(before)s::bigint[]) AND id <> %(run)s AND expires_at IS NOT NULL
), mine AS (
    UPDATE feedfall.run SET expires_at = clock_timestamp() + %(seconds)s * interval '1 second',
        partitions = ARRAY(SELECT unnest(partitions) UNION SELECT unnest(%(partitions)s::int[]) ORDER BY 1),
        status = CASE status WHEN 'LOST' THEN 'RUNNING' ELSE status END
    FROM first WHERE id = %(run)s
)
UPDATE feedfall.lease SET run = %(run)s, held = true, epoch = epoch + 1, taken_at = clock_timestamp()
FROM first WHERE id = ANY(%(ids)s) RETURNING partition, id, epoch

-- name: lost
-- The previous holders never recorded how they ended; if one still can, it will write that over this. Who is being recorded
-- as lost by another run is skipped: that run may be frozen.
UPDATE feedfall.run SET status = 'LOST', ended_at = clock_timestamp(), reason = 'taken over by run ' || %(by)s::text
WHERE id IN (SELECT id FROM feedfall.run WHERE id = ANY(%(runs)s::bigint[]) AND id <> %(by)s AND status = 'RUNNING'
    AND expires_at IS NULL FOR UPDATE SKIP LOCKED)

-- name: killed
-- Runs of these partitions that ended without a word since a checkpoint of them moved or a person freed the feed, and since
-- one ended well. The run that moved it last counts too: it was killed at what came after.
SELECT count(*) FROM feedfall.run r
WHERE r.feed = %(feed)s AND r.stage = %(stage)s AND r.status = 'LOST'
  AND (r.partitions IS NULL OR r.partitions && %(partitions)s::int[])
  AND r.id >= coalesce((SELECT max(last.run) FROM feedfall.source s CROSS JOIN LATERAL (
        SELECT p.run FROM feedfall.span p WHERE p.source = s.id ORDER BY p.from_offset DESC LIMIT 1) AS last
    WHERE s.feed = %(feed)s AND s.stage = %(stage)s AND s.partition = ANY(%(partitions)s)), 0)
  AND r.id > coalesce((SELECT max(e.id) FROM feedfall.run e
    WHERE e.feed = %(feed)s AND e.stage = %(stage)s AND e.status = 'SUCCEEDED'
      AND (e.partitions IS NULL OR e.partitions && %(partitions)s::int[])), 0)

-- name: killed_since_freed
-- Of the runs of these partitions that ended without a word, those since a person last freed the feed.
SELECT count(*) FROM feedfall.run r
WHERE r.feed = %(feed)s AND r.stage = %(stage)s AND r.status = 'LOST'
  AND (r.partitions IS NULL OR r.partitions && %(partitions)s::int[]) AND r.started_at >
    coalesce((SELECT max(j.at) FROM feedfall.journal j WHERE j.feed = %(feed)s AND j.verb = 'free'
        AND (j.phase IS NULL OR j.phase = 'done')), '-infinity')

-- name: holders
-- Who has leases of a stage, and for how long.
SELECT r.name, extract(epoch FROM r.expires_at - clock_timestamp())::float8
FROM feedfall.run r WHERE r.expires_at > clock_timestamp()
  AND EXISTS (SELECT FROM feedfall.lease l WHERE l.run = r.id AND l.held AND l.feed = %(feed)s AND l.stage = %(stage)s)
ORDER BY r.id

-- name: renew
-- All leases of a run at once. No row: another run has taken them.
UPDATE feedfall.run SET expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE id = %(run)s AND expires_at IS NOT NULL

-- name: release
-- Free at once, those that are still ours.
WITH mine AS (
    UPDATE feedfall.lease l SET held = false FROM unnest(%(ids)s::int[], %(epochs)s::bigint[]) AS h (id, epoch)
    WHERE l.id = h.id AND l.epoch = h.epoch RETURNING l.run
)
UPDATE feedfall.run SET expires_at = NULL WHERE id IN (SELECT run FROM mine)

-- name: lock
-- Who writes: a chunk's transaction holds the locks of its partitions from its first statement to its last.
SELECT bool_and(pg_try_advisory_xact_lock(%(space)s, id)) FROM unnest(%(ids)s::int[]) AS id

-- name: mine
-- Has no other run taken one of them since?
SELECT count(*) = cardinality(%(ids)s::int[]) FROM feedfall.lease l
JOIN unnest(%(ids)s::int[], %(epochs)s::bigint[]) AS h (id, epoch) ON h.id = l.id AND h.epoch = l.epoch

-- name: writers
-- The other backends that hold one of those locks, under whatever pooling.
SELECT DISTINCT pid FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = %(space)s::int::oid
  AND objid = ANY(%(ids)s::int[]::oid[]) AND pid <> pg_backend_pid()
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())

-- name: end
-- A pod frozen in mid-COPY meets no time-out; only this frees its lock.
SELECT pg_terminate_backend(%(pid)s)

-- name: fence
-- Checkpoint rows take the new epochs: a chunk begun under the old ones can no longer move them.
UPDATE feedfall.source s SET epoch = h.epoch FROM unnest(%(partitions)s::int[], %(epochs)s::bigint[]) AS h (partition, epoch)
WHERE s.feed = %(feed)s AND s.stage = %(stage)s AND s.partition = h.partition

-- name: guard
-- At the head of every chunk: the writer's locks, and whether every lease is still this run's.
SELECT bool_and(pg_try_advisory_xact_lock(%(space)s, h.id)), bool_and(l.epoch = h.epoch)
FROM unnest(%(ids)s::int[], %(epochs)s::bigint[]) AS h (id, epoch) JOIN feedfall.lease l ON l.id = h.id

-- name: states
-- All leases, for people and for the sweep.
SELECT l.feed, l.stage, l.partition, l.epoch, NOT l.held OR coalesce(r.expires_at < clock_timestamp(), true)
FROM feedfall.lease l LEFT JOIN feedfall.run r ON r.id = l.run

-- name: me
-- Which role this is.
SELECT quote_ident(current_user)

-- name: at_work
-- Is a backend inside a chunk of this drain now?
SELECT EXISTS (SELECT FROM pg_locks p JOIN feedfall.lease l ON p.objid = l.id::oid
    WHERE p.locktype = 'advisory' AND p.granted AND p.objsubid = 2 AND p.classid = %(space)s::int::oid
      AND p.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.feed = %(feed)s AND l.stage = %(stage)s)
