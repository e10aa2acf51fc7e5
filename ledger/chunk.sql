-- name: sources
-- The partitions of a topic that this stage reads, with their checkpoints.
SELECT id, topic_id, partition, first_offset, next_offset, leader_epoch, markers, cluster_id FROM feedfall.source
WHERE feed = %(feed)s AND stage = %(stage)s AND topic = %(topic)s AND closed_at IS NULL
ORDER BY partition, id

-- name: other_topics
-- Topics of another name that this drain has open checkpoints of: its topic was moved, or a setting is wrong.
SELECT DISTINCT topic FROM feedfall.source
WHERE feed = %(feed)s AND stage = %(stage)s AND topic <> %(topic)s AND closed_at IS NULL ORDER BY topic

-- name: open_source
-- A partition seen for the first time starts at its low watermark.
INSERT INTO feedfall.source (feed, stage, topic, topic_id, cluster_id, partition, markers, first_offset, next_offset,
                             epoch)
VALUES (%(feed)s, %(stage)s, %(topic)s, %(topic_id)s, %(cluster_id)s, %(partition)s, %(markers)s, %(low)s, %(low)s, %(epoch)s)
RETURNING id

-- name: allow_markers
-- What a feed says of its topic now holds for all of it: verify counts absent offsets as what they are.
UPDATE feedfall.source SET markers = true
WHERE feed = %(feed)s AND stage = %(stage)s AND topic = %(topic)s AND NOT markers

-- name: name_cluster
-- A source that was read before clusters were known, or where Kafka named none.
UPDATE feedfall.source SET cluster_id = %(cluster_id)s
WHERE feed = %(feed)s AND stage = %(stage)s AND topic = %(topic)s AND topic_id = %(topic_id)s
  AND closed_at IS NULL AND cluster_id IS NULL

-- name: advance
-- The fence: only a lease's own epoch of this partition, only from where it was read.
UPDATE feedfall.source SET next_offset = %(to_offset)s, leader_epoch = %(leader_epoch)s
WHERE id = %(source)s AND (partition, epoch) IN (SELECT * FROM unnest(%(partitions)s::int[], %(epochs)s::bigint[]))
  AND next_offset = %(from_offset)s

-- name: span
-- One partition's share of a chunk.
INSERT INTO feedfall.span (source, from_offset, to_offset, run, records, absent,
                           rows_read, loaded, superseded, duplicate, quarantined, deferred, late)
VALUES (%(source)s, %(from_offset)s, %(to_offset)s, %(run)s, %(records)s, %(absent)s,
        %(read)s, %(loaded)s, %(superseded)s, %(duplicate)s, %(quarantined)s, %(deferred)s, %(late)s)
RETURNING id

-- name: replaced
-- Rows of an earlier run that this span's rows took the place of.
INSERT INTO feedfall.replaced (span, run, rows) VALUES (%(span)s, %(run)s, %(rows)s)

-- name: is_recorded
-- After a lost reply to COMMIT: did this run's span get there?
SELECT EXISTS (SELECT FROM feedfall.span WHERE source = %(source)s AND from_offset = %(from_offset)s AND run = %(run)s)

-- name: recent_bad
-- Bad rows of this stage's last ten spans that are not resolved. A row set aside for its date is not bad.
SELECT count(*), coalesce(sum(h.size + coalesce(octet_length(q.value), 0) + coalesce(octet_length(q.key), 0)), 0)::bigint
FROM (
    SELECT p.source, p.from_offset, p.to_offset FROM feedfall.span p JOIN feedfall.source s ON s.id = p.source
    WHERE s.feed = %(feed)s AND s.stage = %(stage)s ORDER BY p.id DESC LIMIT 10) AS last
JOIN feedfall.quarantine q ON q.source = last.source AND q."offset" >= last.from_offset AND q."offset" < last.to_offset
CROSS JOIN LATERAL (SELECT coalesce(sum(octet_length(header)), 0) AS size FROM unnest(q.headers) AS header) AS h
WHERE q.settled_as IS NULL AND q.fate = 'quarantined' AND NOT q.by_date AND NOT q.part

-- name: quarantine
-- Set a row aside that is nowhere else.
INSERT INTO feedfall.quarantine (source, "offset", row, run, fate, reason, until, by_date, correlation_id, seq,
                                 key, value, headers, sent_at)
VALUES (%(source)s, %(offset)s, %(row)s, %(run)s, %(fate)s, %(reason)s, %(until)s, %(by_date)s, %(correlation_id)s, %(seq)s,
        %(key)s, %(value)s, %(headers)s, to_timestamp(%(sent_at)s / 1000.0))

-- name: record_answers
-- Rows of an answer that this chunk recorded; the last of them makes its request complete. Rows beyond its count were sent
-- again by its publisher. An id that another feed's answer has already is that feed's.
INSERT INTO feedfall.request AS r (correlation_id, feed, base_date, seq, ordered, status, reason, count, settled, repeated,
                                   last_run, answered_at, complete_at)
SELECT a.id, %(feed)s, a.base_date, a.seq, false,
       CASE WHEN a.kind = 'refused' THEN 'refused' WHEN a.kind = 'empty' THEN 'empty'
            WHEN a.settled >= a.count THEN 'complete' ELSE 'answered' END,
       a.reason, a.count, least(a.settled, a.count), greatest(a.settled - a.count, 0), %(run)s, clock_timestamp(),
       CASE WHEN a.kind <> 'row' OR a.settled >= a.count THEN clock_timestamp() END
FROM unnest(%(ids)s::uuid[], %(base_dates)s::date[], %(seqs)s::int[], %(kinds)s::text[], %(reasons)s::text[],
            %(counts)s::bigint[], %(settled)s::bigint[]) AS a (id, base_date, seq, kind, reason, count, settled)
ON CONFLICT (correlation_id) DO UPDATE SET
    settled = greatest(r.settled, least(r.settled + excluded.settled + excluded.repeated, coalesce(excluded.count, r.count))),
    repeated = r.repeated + least(
        greatest(r.settled + excluded.settled + excluded.repeated - coalesce(excluded.count, r.count), 0),
        excluded.settled + excluded.repeated),
    count = coalesce(excluded.count, r.count),
    reason = coalesce(excluded.reason, r.reason),
    last_run = excluded.last_run,
    answered_at = coalesce(r.answered_at, excluded.answered_at),
    status = CASE WHEN excluded.status IN ('refused', 'empty') THEN excluded.status
                  WHEN r.settled + excluded.settled >= coalesce(excluded.count, r.count) THEN 'complete'
                  ELSE 'answered' END,
    complete_at = coalesce(r.complete_at, CASE
        WHEN excluded.status IN ('refused', 'empty') OR r.settled + excluded.settled >= coalesce(excluded.count, r.count)
        THEN clock_timestamp() END)
WHERE r.feed = excluded.feed
