-- name: order
-- Record requests that are not there yet; the rest stay as they are.
INSERT INTO feedfall.request (correlation_id, feed, base_date, seq, ordered, status)
SELECT id, %(feed)s, base_date, %(seq)s, true, 'new'
FROM unnest(%(ids)s::uuid[], %(base_dates)s::date[]) AS o (id, base_date)
ON CONFLICT (correlation_id) DO UPDATE SET ordered = true, base_date = excluded.base_date, seq = excluded.seq
WHERE NOT request.ordered AND request.feed = excluded.feed

-- name: keep
-- The feed is held or blocked: those of these that are not sent are kept until it is free.
UPDATE feedfall.request SET kept_at = coalesce(kept_at, clock_timestamp())
WHERE correlation_id = ANY(%(ids)s) AND sent_at IS NULL AND withdrawn_at IS NULL AND answered_at IS NULL

-- name: unsent
-- Of these, the ones that are recorded and not known to be in Kafka, in the order in which they were recorded, for this
-- transaction alone: of two runs at once one sends them.
SELECT correlation_id, base_date, seq FROM feedfall.request
WHERE correlation_id = ANY(%(ids)s) AND sent_at IS NULL AND withdrawn_at IS NULL ORDER BY new_at, base_date FOR UPDATE

-- name: left
-- Orders of a feed that were kept during a hold, or that a pub recorded and never sent, the first ones first.
SELECT correlation_id FROM feedfall.request
WHERE feed = %(feed)s AND ordered AND sent_at IS NULL AND withdrawn_at IS NULL AND answered_at IS NULL
  AND (kept_at IS NOT NULL OR (new_at < %(before)s AND new_at > %(since)s))
ORDER BY new_at, base_date LIMIT %(limit)s

-- name: left_feeds
-- Likewise, by feed: how many were kept and how many never sent, since when, and the first of them.
SELECT feed, count(*) FILTER (WHERE kept_at IS NOT NULL) AS kept, count(*) AS count, min(new_at) AS since,
    (array_agg(base_date ORDER BY new_at, base_date))[1] AS base_date, (array_agg(seq ORDER BY new_at, base_date))[1] AS seq
FROM feedfall.request
WHERE ordered AND sent_at IS NULL AND withdrawn_at IS NULL AND answered_at IS NULL
  AND (kept_at IS NOT NULL OR (new_at < %(before)s AND new_at > %(since)s)) GROUP BY feed

-- name: kept
-- How many orders of a feed wait until it is free.
SELECT count(*) FROM feedfall.request
WHERE feed = %(feed)s AND ordered AND sent_at IS NULL AND withdrawn_at IS NULL AND answered_at IS NULL AND kept_at IS NOT NULL

-- name: withdraw
-- A person takes back what has no answer: relay does not send it, and it waits no longer.
UPDATE feedfall.request SET status = 'withdrawn', withdrawn_at = clock_timestamp(), withdrawn_by = %(by)s,
    withdrawn_reason = %(reason)s
WHERE correlation_id = ANY(%(ids)s) AND answered_at IS NULL AND withdrawn_at IS NULL AND status IN ('new', 'sent')
RETURNING correlation_id

-- name: of_date
-- The requests of a base date, ours and others', the newest first.
SELECT correlation_id, base_date, seq, status, sent_at, kept_at, retry_at, answered_at, withdrawn_at, withdrawn_by
FROM feedfall.request WHERE feed = %(feed)s AND base_date = %(base_date)s AND (%(seq)s::int IS NULL OR seq = %(seq)s)
ORDER BY seq DESC NULLS LAST, new_at DESC

-- name: withdrawn
-- Of these, the ones that a person has withdrawn.
SELECT correlation_id FROM feedfall.request WHERE correlation_id = ANY(%(ids)s) AND withdrawn_at IS NOT NULL

-- name: count_withdrawn
-- How many requests of a feed were withdrawn, and how many of these were answered all the same.
SELECT count(*), count(*) FILTER (WHERE answered_at IS NOT NULL) FROM feedfall.request
WHERE feed = %(feed)s AND withdrawn_at IS NOT NULL

-- name: sent
-- Kafka has them.
UPDATE feedfall.request SET sent_at = clock_timestamp(), status = CASE status WHEN 'new' THEN 'sent' ELSE status END
WHERE correlation_id = ANY(%(ids)s)

-- name: answered
-- Of these, the ones that are recorded as answered.
SELECT correlation_id FROM feedfall.request WHERE correlation_id = ANY(%(ids)s) AND answered_at IS NOT NULL

-- name: known
-- Of these, the ones that relay does not send: answered, deferred to a time, withdrawn, or another feed's.
SELECT correlation_id, feed, status = 'withdrawn' FROM feedfall.request
WHERE correlation_id = ANY(%(ids)s)
  AND (answered_at IS NOT NULL OR deferred_at IS NOT NULL OR withdrawn_at IS NOT NULL OR feed <> %(feed)s)

-- name: defer
-- The partner gave no answer now: sent again when its time has come, from what is stored here.
INSERT INTO feedfall.request AS r (correlation_id, feed, base_date, seq, ordered, status, retry_at, retry_reason, tries,
                                   deferred_at)
SELECT id, %(feed)s, base_date, seq, false, 'sent', retry_at, reason, 1, %(now)s
FROM unnest(%(ids)s::uuid[], %(base_dates)s::date[], %(seqs)s::int[], %(times)s::timestamptz[], %(reasons)s::text[])
    AS d (id, base_date, seq, retry_at, reason)
ON CONFLICT (correlation_id) DO UPDATE SET retry_at = excluded.retry_at, retry_reason = excluded.retry_reason,
    tries = r.tries + 1, deferred_at = coalesce(r.deferred_at, excluded.deferred_at)
WHERE r.feed = excluded.feed

-- name: due
-- Deferred requests whose time has come; those that were tried least come first, and alike ones in another order each time,
-- so that no hopeless one stands before the others for ever.
SELECT correlation_id, base_date, seq, tries, deferred_at FROM feedfall.request
WHERE feed = %(feed)s AND deferred_at IS NOT NULL AND answered_at IS NULL AND withdrawn_at IS NULL AND retry_at <= %(now)s
ORDER BY tries, md5(correlation_id::text || tries) LIMIT %(limit)s

-- name: due_feeds
-- Feeds with deferred requests whose time has come.
SELECT feed, count(*) FROM feedfall.request
WHERE deferred_at IS NOT NULL AND answered_at IS NULL AND withdrawn_at IS NULL AND retry_at <= %(now)s GROUP BY feed

-- name: deferred
-- How many requests of a feed are deferred, and until when the first of them.
SELECT count(*), min(retry_at) FROM feedfall.request
WHERE feed = %(feed)s AND deferred_at IS NOT NULL AND answered_at IS NULL AND withdrawn_at IS NULL

-- name: hasten
-- A person has freed the feed: what waits for the partner is sent again at once.
UPDATE feedfall.request SET retry_at = clock_timestamp()
WHERE feed = %(feed)s AND deferred_at IS NOT NULL AND answered_at IS NULL AND withdrawn_at IS NULL
  AND retry_at > clock_timestamp()

-- name: answer
-- relay's answers are in Kafka, committed.
INSERT INTO feedfall.request AS r (correlation_id, feed, base_date, seq, ordered, status, count, answered_at)
SELECT id, %(feed)s, base_date, seq, false, 'answered', count, clock_timestamp()
FROM unnest(%(ids)s::uuid[], %(base_dates)s::date[], %(seqs)s::int[], %(counts)s::bigint[]) AS a (id, base_date, seq, count)
ON CONFLICT (correlation_id) DO UPDATE SET answered_at = coalesce(r.answered_at, excluded.answered_at),
    count = coalesce(r.count, excluded.count), retry_at = NULL,
    status = CASE WHEN r.status IN ('new', 'sent', 'withdrawn') THEN 'answered' ELSE r.status END
WHERE r.feed = excluded.feed

-- name: highest_seq
-- The highest attempt number of a base date.
SELECT max(seq) FROM feedfall.request WHERE feed = %(feed)s AND base_date = %(base_date)s AND ordered

-- name: overdue
-- Sent long ago and not answered: a partner, an API solution or a relay is silent.
SELECT feed, base_date, seq, extract(epoch FROM clock_timestamp() - sent_at)::float8 AS seconds, retry_at, retry_reason
FROM feedfall.request
WHERE answered_at IS NULL AND withdrawn_at IS NULL AND sent_at < clock_timestamp() - %(seconds)s * interval '1 second'
ORDER BY sent_at LIMIT 100

-- name: waiting
-- Sent by pub or about to be, and without an end yet.
SELECT count(*) FROM feedfall.request
WHERE feed = %(feed)s AND ordered AND status NOT IN ('complete', 'empty', 'refused', 'withdrawn')

-- name: state
-- The state of one request. Its rows in quarantine are counted once it is complete.
SELECT status, reason, count, retry_at, retry_reason, kept_at, withdrawn_by, withdrawn_reason, CASE status WHEN 'complete' THEN
    (SELECT count(*) FROM feedfall.quarantine q WHERE q.correlation_id = r.correlation_id
     AND q.fate = 'quarantined' AND q.settled_as IS NULL) ELSE 0 END AS quarantined
FROM feedfall.request r WHERE correlation_id = %(id)s AND ordered
