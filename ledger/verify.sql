-- name: account
-- One line a partition: what its spans say in sum.
SELECT s.stage, s.topic, s.partition, s.first_offset, s.next_offset, count(p.id) AS spans,
    coalesce(sum(p.records), 0)::bigint AS records,
    coalesce(sum(p.to_offset - p.from_offset - p.records), 0)::bigint AS absent,
    coalesce(sum(p.rows_read), 0)::bigint AS read, coalesce(sum(p.loaded), 0)::bigint AS loaded,
    coalesce(sum(p.superseded), 0)::bigint AS superseded, coalesce(sum(p.duplicate), 0)::bigint AS duplicate,
    coalesce(sum(p.quarantined), 0)::bigint AS quarantined, coalesce(sum(p.deferred), 0)::bigint AS deferred,
    s.closed_at IS NOT NULL AS closed
FROM feedfall.source s LEFT JOIN feedfall.span p ON p.source = s.id
WHERE s.feed = %(feed)s GROUP BY s.id ORDER BY s.stage DESC, s.topic, s.partition, s.id

-- name: gaps
-- Spans abut, from the first offset to the checkpoint.
WITH walked AS (
    SELECT s.id, s.topic, s.partition, p.from_offset, p.to_offset,
           coalesce(lag(p.to_offset) OVER (PARTITION BY s.id ORDER BY p.from_offset), s.first_offset) AS expected
    FROM feedfall.source s JOIN feedfall.span p ON p.source = s.id WHERE s.feed = %(feed)s
), ended AS (
    SELECT s.topic, s.partition, s.next_offset, coalesce(max(p.to_offset), s.first_offset) AS reached
    FROM feedfall.source s LEFT JOIN feedfall.span p ON p.source = s.id WHERE s.feed = %(feed)s GROUP BY s.id
)
SELECT topic, partition, expected, from_offset FROM walked WHERE expected <> from_offset
UNION ALL
SELECT topic, partition, reached, next_offset FROM ended WHERE reached <> next_offset
ORDER BY 1, 2, 3

-- name: records
-- Records and absent offsets fill a span.
SELECT s.topic, s.partition, p.from_offset, p.to_offset, p.records, a.absent
FROM feedfall.source s JOIN feedfall.span p ON p.source = s.id, LATERAL (
    SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint AS absent FROM unnest(p.absent) AS r) AS a
WHERE s.feed = %(feed)s AND (p.records + a.absent <> p.to_offset - p.from_offset
    OR NOT p.absent <@ int8multirange(int8range(p.from_offset, p.to_offset)))

-- name: absent
-- Where nobody writes transactions and nothing compacts, every offset is a record, unless a person accepted it as lost.
SELECT s.topic, s.partition, p.from_offset, p.to_offset, p.absent::text
FROM feedfall.source s JOIN feedfall.span p ON p.source = s.id
WHERE s.feed = %(feed)s AND NOT s.markers AND NOT isempty(p.absent)
  AND NOT EXISTS (SELECT FROM feedfall.gap g
                  WHERE g.source = p.source AND g.from_offset = p.from_offset AND g.to_offset = p.to_offset)

-- name: skipped
-- What was accepted as lost is a span of its own, without records.
SELECT s.topic, s.partition, g.from_offset, g.to_offset
FROM feedfall.source s JOIN feedfall.gap g ON g.source = s.id
LEFT JOIN feedfall.span p ON p.source = g.source AND p.from_offset = g.from_offset AND p.to_offset = g.to_offset
WHERE s.feed = %(feed)s AND g.to_offset IS NOT NULL AND (p.id IS NULL OR p.run <> g.run OR p.records > 0)

-- name: fates
-- Every row that was read has one fate.
SELECT s.topic, s.partition, p.from_offset, p.to_offset, p.rows_read,
    p.loaded + p.superseded + p.duplicate + p.quarantined + p.deferred
FROM feedfall.source s JOIN feedfall.span p ON p.source = s.id
WHERE s.feed = %(feed)s AND p.rows_read <> p.loaded + p.superseded + p.duplicate + p.quarantined + p.deferred

-- name: quarantine
-- Quarantined and deferred rows are there, one by one, whatever became of them since. A request that relay deferred is not
-- among them: its row of `request` says until when.
SELECT s.topic, s.partition, p.from_offset, p.to_offset, q.aside, q.there
FROM feedfall.source s JOIN feedfall.span p ON p.source = s.id, LATERAL (
    SELECT count(*) AS there, p.quarantined + CASE s.stage WHEN 'relay' THEN 0 ELSE p.deferred END AS aside
    FROM feedfall.quarantine k
    WHERE k.source = s.id AND k."offset" >= p.from_offset AND k."offset" < p.to_offset AND NOT k.part) AS q
WHERE s.feed = %(feed)s AND q.aside <> q.there

-- name: parts
-- A message that was quarantined whole and split since: its rows are there, one by one.
SELECT s.topic, s.partition, k."offset", coalesce(k.parts, 0), p.there
FROM feedfall.source s JOIN feedfall.quarantine k ON k.source = s.id, LATERAL (
    SELECT count(*) AS there FROM feedfall.quarantine c
    WHERE c.source = k.source AND c."offset" = k."offset" AND c.part) AS p
WHERE s.feed = %(feed)s AND k.row = -1 AND coalesce(k.parts, 0) <> p.there

-- name: stray
-- An entry of quarantine whose offset nobody has read, or whose message was never split: it would hide a row.
SELECT s.topic, s.partition, k."offset", k.row
FROM feedfall.source s JOIN feedfall.quarantine k ON k.source = s.id
WHERE s.feed = %(feed)s AND (
    coalesce((SELECT p.to_offset FROM feedfall.span p WHERE p.source = k.source AND p.from_offset <= k."offset"
              ORDER BY p.from_offset DESC LIMIT 1), 0) <= k."offset"
    OR (k.part AND NOT EXISTS (SELECT FROM feedfall.quarantine w
                               WHERE w.source = k.source AND w."offset" = k."offset" AND w.row = -1)))
ORDER BY 1, 2, 3, 4

-- name: twice
-- A partition is read by one source at a time.
SELECT topic, partition, count(*) FROM feedfall.source
WHERE feed = %(feed)s AND closed_at IS NULL GROUP BY stage, topic, partition HAVING count(*) > 1 ORDER BY 1, 2

-- name: closed
-- A source is closed where a person accepted that its topic was made anew.
SELECT s.topic, s.partition, s.next_offset FROM feedfall.source s
WHERE s.feed = %(feed)s AND s.closed_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM feedfall.gap g
                  WHERE g.source = s.id AND g.from_offset = s.next_offset AND g.to_offset IS NULL)
ORDER BY 1, 2

-- name: rows
-- Rows in the table by run: what it loaded, resolved or corrected, less what newer rows replaced.
WITH recorded AS (
    SELECT run, sum(rows)::bigint AS rows FROM (
        SELECT p.run, p.loaded AS rows FROM feedfall.span p JOIN feedfall.source s ON s.id = p.source
        WHERE s.feed = %(feed)s AND s.stage = 'sub'
        UNION ALL
        SELECT r.run, -r.rows FROM feedfall.replaced r JOIN feedfall.span p ON p.id = r.span
            JOIN feedfall.source s ON s.id = p.source WHERE s.feed = %(feed)s AND s.stage = 'sub'
        UNION ALL
        SELECT m.run, m.rows FROM feedfall.quarantine q JOIN feedfall.source s ON s.id = q.source,
            LATERAL (VALUES (q.settled_run, 1), (q.replaced_run, -1)) AS m (run, rows)
            WHERE s.feed = %(feed)s AND s.stage = 'sub' AND q.settled_as = 'loaded' AND m.run IS NOT NULL
        UNION ALL
        SELECT m.run, m.rows FROM feedfall.correction c JOIN feedfall.source s ON s.id = c.source,
            LATERAL (VALUES (c.run, 1), (c.replaced_run, -1)) AS m (run, rows)
            WHERE s.feed = %(feed)s AND s.stage = 'sub' AND c.became = 'loaded' AND m.run IS NOT NULL) AS moves
    GROUP BY run
), there AS (
    SELECT _run AS run, count(*) AS rows FROM {table} GROUP BY _run
)
SELECT coalesce(b.run, t.run), coalesce(b.rows, 0), coalesce(t.rows, 0)
FROM recorded b FULL JOIN there t ON t.run = b.run WHERE coalesce(b.rows, 0) <> coalesce(t.rows, 0) ORDER BY 1

-- name: lineage
-- Each row in the table names the run that loaded it: the run of its span, or of whoever resolved or corrected its
-- entry of quarantine.
SELECT s.topic, s.partition, t._offset, t._row, t._run, p.run, count(*) OVER ()
FROM {table} t JOIN feedfall.source s ON s.id = t._source AND s.feed = %(feed)s AND s.stage = 'sub', LATERAL (
    SELECT run FROM feedfall.span WHERE source = t._source AND from_offset <= t._offset
    ORDER BY from_offset DESC LIMIT 1) AS p
WHERE t._run <> p.run AND NOT EXISTS (
    SELECT FROM feedfall.quarantine q
    WHERE q.source = t._source AND q."offset" = t._offset AND q.row IN (t._row, -1) AND q.settled_run = t._run)
  AND NOT EXISTS (
    SELECT FROM feedfall.correction c
    WHERE c.source = t._source AND c."offset" = t._offset AND c.row IN (t._row, -1) AND c.run = t._run)
ORDER BY 1, 2, 3, 4 LIMIT 20

-- name: alive
-- A source that was closed because its topic was made anew, while that cluster still has that very topic. One that a
-- person moved may have come back.
SELECT s.topic, s.partition, s.next_offset FROM feedfall.source s
WHERE s.feed = %(feed)s AND s.topic = %(topic)s AND s.topic_id = %(topic_id)s AND s.closed_at IS NOT NULL
  AND coalesce(s.cluster_id, %(cluster_id)s) IS NOT DISTINCT FROM %(cluster_id)s
  AND NOT EXISTS (SELECT FROM feedfall.gap g WHERE g.source = s.id AND g.moved_to IS NOT NULL) ORDER BY 1, 2

-- name: more
-- No more rows belong to answers than were read: a message that was split later counts as its rows.
SELECT a.rows, coalesce(b.rows, 0) FROM (
    SELECT sum(settled + repeated)::bigint AS rows FROM feedfall.request WHERE feed = %(feed)s) AS a, (
    SELECT (SELECT coalesce(sum(p.rows_read), 0)::bigint FROM feedfall.span p JOIN feedfall.source s ON s.id = p.source
            WHERE s.feed = %(feed)s AND s.stage = 'sub')
        + (SELECT count(*) FROM feedfall.quarantine q JOIN feedfall.source s ON s.id = q.source
           WHERE s.feed = %(feed)s AND s.stage = 'sub' AND q.part) AS rows) AS b
WHERE a.rows > b.rows

-- name: unfounded
-- What is complete was answered, and its answer said how many rows it has.
SELECT correlation_id::text, base_date, status FROM feedfall.request
WHERE feed = %(feed)s AND (
    (status = 'complete' AND (count IS NULL OR answered_at IS NULL OR complete_at IS NULL))
    OR (status IN ('answered', 'empty', 'refused') AND answered_at IS NULL) OR (settled > 0 AND answered_at IS NULL))
ORDER BY 2, 1

-- name: answers
-- Per correlation id the fates add up to `count`. A part of an answer may be missing only while no run has reached the
-- end since: relay's answers are committed whole, so a sub that succeeded has seen all of one or nothing, and one alone
-- is visible. Another publisher may send an answer again: its rows are counted as `repeated`, and are no fault.
-- An answer that ends or begins beside a gap may have lost rows in it. What relay gave twice a person may accept, as it is.
SELECT q.correlation_id::text, q.base_date, q.count, q.settled + q.repeated, q.status
FROM feedfall.request q LEFT JOIN feedfall.run r ON r.id = q.last_run
WHERE q.feed = %(feed)s AND q.count IS NOT NULL AND q.status NOT IN ('empty', 'refused') AND (
    (q.settled + q.repeated > q.count AND %(relayed)s AND NOT EXISTS (
        SELECT FROM feedfall.journal j WHERE j.feed = q.feed AND j.verb = 'accept-repeat' AND (j.phase IS NULL OR j.phase = 'done')
            AND j.detail ->> 'correlation_id' = q.correlation_id::text
            AND j.detail ->> 'rows' = (q.settled + q.repeated)::text))
    OR (q.settled < q.count AND q.status = 'complete')
    OR (q.settled > 0 AND q.settled < q.count AND %(whole)s AND r.status = 'SUCCEEDED' AND NOT EXISTS (
        SELECT FROM feedfall.gap g JOIN feedfall.source o ON o.id = g.source AND o.feed = q.feed AND o.stage = 'sub'
            JOIN feedfall.span p ON p.run = q.last_run JOIN feedfall.source s ON s.id = p.source
        WHERE (s.id = o.id AND (p.to_offset = g.from_offset OR p.from_offset = g.to_offset))
           OR (g.to_offset IS NULL AND s.topic = o.topic AND s.id > o.id AND p.from_offset = s.first_offset)))
)

-- name: timeless
-- A deferred request says when it is sent again: without a time nobody would.
SELECT correlation_id::text, base_date, tries FROM feedfall.request
WHERE feed = %(feed)s AND deferred_at IS NOT NULL AND answered_at IS NULL AND retry_at IS NULL ORDER BY 2, 1

-- name: vanished
-- Every request that relay read from its topic and deferred is one of the feed's deferred requests, then or now.
SELECT spans.deferred, requests.deferred FROM (
    SELECT coalesce(sum(p.deferred), 0)::bigint AS deferred FROM feedfall.span p JOIN feedfall.source s ON s.id = p.source
    WHERE s.feed = %(feed)s AND s.stage = 'relay') AS spans, (
    SELECT count(*) AS deferred FROM feedfall.request WHERE feed = %(feed)s AND deferred_at IS NOT NULL) AS requests
WHERE spans.deferred <> requests.deferred

-- name: taken_back
-- A request is withdrawn by a person, who said why.
SELECT r.correlation_id::text, r.base_date FROM feedfall.request r
WHERE r.feed = %(feed)s AND r.withdrawn_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM feedfall.journal j WHERE j.feed = r.feed AND j.verb = 'withdraw'
        AND j.detail ->> 'correlation_id' = r.correlation_id::text)
ORDER BY 2, 1

-- name: left_open
-- A relay closes what an earlier one left open before it opens a batch of its own.
SELECT b.id, min(l.id) FROM feedfall.batch b JOIN feedfall.batch l ON l.feed = b.feed AND l.id > b.id
WHERE b.feed = %(feed)s AND b.closed_at IS NULL GROUP BY b.id ORDER BY 1

-- name: disowned
-- A batch says of its own requests which were answered, and each of these is recorded as answered.
SELECT b.id, a.id::text FROM feedfall.batch b CROSS JOIN unnest(b.answered) AS a (id)
LEFT JOIN feedfall.request r ON r.correlation_id = a.id
WHERE b.feed = %(feed)s AND (a.id <> ALL (b.ids) OR r.answered_at IS NULL) ORDER BY 1, 2

-- name: doubled
-- A request is answered by one batch.
SELECT a.id::text, count(*), min(b.id), max(b.id) FROM feedfall.batch b CROSS JOIN unnest(b.answered) AS a (id)
WHERE b.feed = %(feed)s GROUP BY a.id HAVING count(*) > 1 ORDER BY 1
