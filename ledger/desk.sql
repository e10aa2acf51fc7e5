-- name: limit
-- No question of this transaction takes longer, nor waits for another session's lock.
SELECT set_config('statement_timeout', %(milliseconds)s, true), set_config('lock_timeout', '500', true)

-- name: moment
-- The server's time, the same for all questions of one snapshot.
SELECT transaction_timestamp()

-- name: controls
-- Held, blocked or waiting, and why: every feed that has a row.
SELECT feed, held_at, held_by, held_signed_in, held_reason, blocked_at, blocked_code, blocked_stage, blocked_reason, wait_until
FROM feedfall.feed_control

-- name: requests
-- What is known of the answers for these base dates, the newest try first. `quarantined`: rows that wait; `discarded`: that never load.
SELECT r.feed, r.base_date, r.seq, r.status, r.reason, r.count, r.settled, q.quarantined, q.discarded, r.new_at, r.sent_at,
    r.answered_at, r.retry_at, r.retry_reason, r.tries, r.last_run,
    coalesce(r.complete_at, CASE WHEN r.settled > 0 THEN (SELECT ended_at FROM feedfall.run WHERE id = r.last_run) END)
        AS complete_at, r.kept_at, r.withdrawn_at, r.withdrawn_by, r.withdrawn_reason
FROM unnest(%(feeds)s::text[], %(days)s::date[]) AS w (feed, day)
JOIN feedfall.request r ON r.feed = w.feed AND r.base_date = w.day
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE settled_as IS NULL) AS quarantined, count(*) FILTER (WHERE settled_as = 'discarded') AS discarded
    FROM feedfall.quarantine WHERE correlation_id = r.correlation_id AND r.settled > 0) AS q
ORDER BY r.feed, r.base_date, r.seq DESC NULLS LAST, r.new_at DESC

-- name: under_way
-- Base dates that people have requested and that have no answer yet, the newest three a feed: a backfill fills no screen.
SELECT feed, base_date FROM (
    SELECT feed, base_date, row_number() OVER (PARTITION BY feed ORDER BY max(new_at) DESC, base_date DESC) AS place
    FROM feedfall.request WHERE answered_at IS NULL AND status IN ('new', 'sent') AND ordered AND base_date IS NOT NULL
      AND new_at > %(since)s
    GROUP BY feed, base_date) AS each WHERE place <= 3

-- name: dated
-- The feeds of which a response has ever said its base date.
SELECT feed FROM unnest(%(feeds)s::text[]) AS f (feed) WHERE EXISTS (
    SELECT FROM feedfall.request r WHERE r.feed = f.feed AND r.base_date IS NOT NULL AND r.answered_at IS NOT NULL)

-- name: unread
-- Rows of these feeds that sub has set aside since a base date began, and that wait.
SELECT w.feed, w.day, count(*) FROM unnest(%(feeds)s::text[], %(days)s::date[], %(since)s::timestamptz[]) AS w (feed, day, since)
JOIN feedfall.source s ON s.feed = w.feed AND s.stage = 'sub'
JOIN feedfall.quarantine q ON q.source = s.id AND q.fate = 'quarantined' AND q.settled_as IS NULL AND q.at >= w.since
GROUP BY w.feed, w.day

-- name: tables
-- Which of these tables are there and may be read, and which nobody has locked, as a DDL or a TRUNCATE does.
SELECT name FROM unnest(%(names)s::text[]) AS t (name) WHERE to_regclass(quote_ident(name)) IS NOT NULL
  AND has_table_privilege(to_regclass(quote_ident(name)), 'SELECT')
  AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.relation = to_regclass(quote_ident(name)) AND l.mode = 'AccessExclusiveLock'
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))

-- name: in_table
-- Base dates of one feed of which its table has rows, and since which run. Its key begins with it, so an index answers.
SELECT {feed}, day, _at, r.ended_at FROM unnest({days}::date[]) AS w (day)
CROSS JOIN LATERAL (SELECT _run, _at FROM {table} WHERE base_date = w.day LIMIT 1) AS t
LEFT JOIN feedfall.run r ON r.id = t._run

-- name: unanswered
-- Requests without an answer: how many, and since when the first; how many of them are deferred.
SELECT feed, count(*) AS unanswered, min(sent_at) AS oldest_at FROM feedfall.request
WHERE answered_at IS NULL AND status = 'sent' GROUP BY feed

-- name: set_aside
-- Rows that wait for a person, or for their day: how many, and since when the first.
SELECT s.feed, q.fate, sum(q.rows)::bigint AS rows, min(q.oldest) AS oldest_at
FROM feedfall.source s CROSS JOIN LATERAL (
    SELECT fate, count(*) AS rows, min(at) AS oldest FROM feedfall.quarantine
    WHERE source = s.id AND settled_as IS NULL GROUP BY fate) AS q
GROUP BY s.feed, q.fate

-- name: live_runs
-- Runs at work: their leases have not expired.
SELECT id, feed, stage, name, status, exit_code, reason, counts->>'date' AS date, started_at, ended_at, expires_at
FROM feedfall.run WHERE expires_at > clock_timestamp() ORDER BY id

-- name: last_runs
-- The last run of each feed and stage.
SELECT r.id, r.feed, r.stage, r.name, r.status, r.exit_code, r.reason, r.counts->>'date' AS date, r.started_at, r.ended_at,
    r.expires_at
FROM unnest(%(feeds)s::text[]) AS f (feed) CROSS JOIN unnest(%(stages)s::text[]) AS s (stage)
CROSS JOIN LATERAL (SELECT * FROM feedfall.run WHERE feed = f.feed AND stage = s.stage ORDER BY id DESC LIMIT 1) AS r

-- name: trouble
-- How often runs of each feed and stage have failed since then, and the newest reason.
SELECT feed, stage, count(*) AS failures, max(started_at) AS last_at, (array_agg(reason ORDER BY id DESC))[1] AS reason,
    (array_agg(exit_code ORDER BY id DESC))[1] AS exit_code
FROM feedfall.run WHERE status IN ('FAILED', 'LOST', 'BROKEN') AND started_at >= %(since)s GROUP BY feed, stage

-- name: stuck
-- Leases that ran out and were not released: their holders died, and no run has taken them since.
SELECT DISTINCT ON (l.feed) l.feed, l.stage, r.name AS run, r.expires_at AS expired_at
FROM feedfall.lease l JOIN feedfall.run r ON r.id = l.run
WHERE l.held AND r.expires_at < clock_timestamp() ORDER BY l.feed, r.expires_at

-- name: arrivals
-- When rows of each feed were recorded last: the newest of the last spans that have some.
SELECT s.feed, max(p.settled_at) AS last_at FROM feedfall.source s CROSS JOIN LATERAL (
    SELECT settled_at FROM (SELECT settled_at, loaded FROM feedfall.span WHERE source = s.id
        ORDER BY from_offset DESC LIMIT 20) AS newest WHERE loaded > 0 LIMIT 1) AS p
WHERE s.stage = 'sub' AND s.closed_at IS NULL GROUP BY s.feed

-- name: watched
-- Since when each feed is watched.
SELECT feed, since FROM feedfall.watched

-- name: sweep
-- The sweep's heartbeat, and the lag that it saw.
SELECT ended_at, run, good_at, good_run, lag FROM feedfall.sweep

-- name: locks
-- Runs that wait for a lock, and the sessions that hold it: who, with which application. What a session ran is not read.
-- A role without pg_read_all_stats sees neither since when such a session's transaction is open nor what it waits for.
SELECT w.feed, w.stage, w.name AS run, w.waits_since, b.pid, b.usename AS role, b.application_name AS application,
    b.xact_start AS open_since, h.name AS holder
FROM (
    SELECT r.feed, r.stage, r.name, l.pid, min(l.waitstart) AS waits_since FROM pg_locks l
    JOIN pg_stat_activity a ON a.pid = l.pid AND a.datname = current_database()
    JOIN feedfall.run r ON r.uid = a.application_name AND r.expires_at IS NOT NULL
    WHERE NOT l.granted GROUP BY r.feed, r.stage, r.name, l.pid) AS w
CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS p (pid)
JOIN pg_stat_activity b ON b.pid = p.pid
LEFT JOIN feedfall.run h ON h.uid = b.application_name AND h.expires_at IS NOT NULL
ORDER BY w.waits_since, b.pid

-- name: accepted
-- Base dates that count as done without their rows: the newest line of each decides.
SELECT feed, base_date, who, reason, approval, ticket, at FROM (
    SELECT DISTINCT ON (feed, base_date) * FROM feedfall.acceptance WHERE base_date >= %(since)s
    ORDER BY feed, base_date, id DESC) AS newest
WHERE accepted

-- name: runs_of
-- The runs of a feed between two moments, the newest first.
SELECT id, feed, stage, name, status, exit_code, reason, counts->>'date' AS date, started_at, ended_at, expires_at
FROM feedfall.run WHERE feed = %(feed)s AND started_at >= %(since)s AND started_at < %(until)s ORDER BY id DESC LIMIT 1000
