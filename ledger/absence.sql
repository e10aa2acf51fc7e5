-- name: watch
-- From now on, where it was not watched before.
INSERT INTO feedfall.watched (feed, since) SELECT feed, %(now)s FROM unnest(%(feeds)s::text[]) AS f (feed)
ON CONFLICT DO NOTHING

-- name: since
-- Since when each feed is watched.
SELECT feed, since FROM feedfall.watched WHERE feed = ANY(%(feeds)s)

-- name: requests
-- What is known of the answers for these base dates, the newest try first.
SELECT base_date, status, reason, count, settled, CASE WHEN settled > 0 THEN
    (SELECT count(*) FROM feedfall.quarantine q WHERE q.correlation_id = r.correlation_id AND q.settled_as IS NULL) ELSE 0 END
    AS quarantined, new_at, sent_at, answered_at, retry_at, retry_reason, kept_at, withdrawn_at, withdrawn_by,
    withdrawn_reason
FROM feedfall.request r WHERE feed = %(feed)s AND base_date = ANY(%(days)s) ORDER BY base_date, seq DESC NULLS LAST, new_at DESC

-- name: dated
-- Has an answer of this feed ever said its base date?
SELECT EXISTS (SELECT FROM feedfall.request WHERE feed = %(feed)s AND base_date IS NOT NULL AND answered_at IS NOT NULL)

-- name: rows
-- Has the feed's own table rows of that base date? Its key begins with it, so an index answers.
SELECT EXISTS (SELECT FROM {table} WHERE base_date = %(day)s)

-- name: quarantined
-- Rows that sub has set aside since then.
SELECT count(*) FROM feedfall.quarantine q JOIN feedfall.source s ON s.id = q.source
WHERE s.feed = %(feed)s AND s.stage = 'sub' AND q.fate = 'quarantined' AND q.settled_as IS NULL AND q.at >= %(since)s

-- name: stuck
-- A lease that ran out and was not released: its holder died, and no run has taken it since.
SELECT l.stage, r.name AS run, r.expires_at AS expired_at FROM feedfall.lease l JOIN feedfall.run r ON r.id = l.run
WHERE l.feed = %(feed)s AND l.held AND r.expires_at < clock_timestamp() ORDER BY r.expires_at LIMIT 1

-- name: report
-- Once: two sweeps at a time, or a hundred after each other.
INSERT INTO feedfall.absence (subject, base_date, due_at, found, words)
VALUES (%(subject)s, %(base_date)s, %(due_at)s, %(found)s, %(words)s) ON CONFLICT DO NOTHING

-- name: close
-- Its rows have come; again, once.
UPDATE feedfall.absence SET closed_at = clock_timestamp()
WHERE subject = %(subject)s AND base_date = %(base_date)s AND closed_at IS NULL

-- name: open
-- What was reported and has not come, the latest first; and how its webhook fares.
SELECT a.subject, a.base_date, a.due_at, a.found, a.words, a.reported_at, n.tries, n.trouble, n.delivered_at, n.given_up_at
FROM feedfall.absence a LEFT JOIN LATERAL (
    SELECT * FROM feedfall.notice WHERE subject = a.subject AND base_date = a.base_date ORDER BY made_at LIMIT 1) AS n ON true
WHERE a.closed_at IS NULL AND a.base_date >= %(since)s ORDER BY a.base_date DESC, a.subject
