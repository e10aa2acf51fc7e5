-- name: again
-- What Kafka says now, in the table's own types and in the feed's columns alone; gone when the session ends.
CREATE TEMP TABLE _again AS SELECT {columns} FROM {table} WITH NO DATA

-- name: unread
-- Records, or rows of them, that today's feed refuses.
CREATE TEMP TABLE _unread (_source int, _offset bigint, _row int)

-- name: reread
-- Which offsets were read again, and which of them Kafka shows to nobody.
CREATE TEMP TABLE _reread (source int, from_offset bigint, to_offset bigint, absent int8multirange)

-- name: refuse
-- One of the unread.
INSERT INTO _unread VALUES (%(source)s, %(offset)s, %(row)s)

-- name: take
-- One chunk's share of a source.
INSERT INTO _reread VALUES (%(source)s, %(from_offset)s, %(to_offset)s, %(absent)s)

-- name: differ
-- Both sides in one pass, by where a row says that it came from; what is equal is left out.
CREATE TEMP TABLE _differ ON COMMIT DROP AS
WITH read AS (
    SELECT source, min(from_offset) AS low, max(to_offset) AS high FROM _reread GROUP BY source
), there AS (
    SELECT t.* FROM {table} t JOIN read r ON t._source = r.source AND t._offset >= r.low AND t._offset < r.high
)
SELECT coalesce(i._source, t._source) AS source, coalesce(i._offset, t._offset) AS "offset",
       coalesce(i._row, t._row) AS row, i._source IS NOT NULL AS in_kafka, t._source IS NOT NULL AS in_table,
       CASE WHEN i._source = t._source THEN concat_ws('; ', {differences}) END AS differences
FROM _again i FULL JOIN there t ON i._source = t._source AND i._offset = t._offset AND i._row = t._row
WHERE i._source IS NULL OR t._source IS NULL OR ROW({i_facts}) IS DISTINCT FROM ROW({t_facts})

-- name: set_aside
-- What waits in quarantine, or was discarded, or was loaded with another value than Kafka's, is for verify's own count. What
-- was loaded as it came is compared like any other row.
DELETE FROM _differ d USING feedfall.quarantine q JOIN feedfall.source s ON s.id = q.source
WHERE q.source = d.source AND q."offset" = d."offset" AND q.row IN (d.row, -1) AND (
    q.settled_as IS NULL OR q.settled_as = 'discarded' OR EXISTS (
        SELECT FROM feedfall.journal j, LATERAL (
            SELECT s.topic || '/' || s.partition || '@' || q."offset" AS message) AS l
        WHERE j.detail ? 'entry' AND j.detail ->> 'entry' IN (l.message, l.message || '/' || q.row)
          AND (j.detail ->> 'source')::int = q.source AND j.detail ? 'fixed'))

-- name: lost
-- Rows of Kafka's that are not in the table, and neither is a newer row, or an equal one, with their key.
CREATE TEMP TABLE _lost ON COMMIT DROP AS
SELECT i.*, t._offset AS _stands FROM _differ d
    JOIN _again i ON i._source = d.source AND i._offset = d."offset" AND i._row = d.row
    LEFT JOIN {table} t ON {joined}
WHERE NOT d.in_table AND (t._source IS NULL OR (
    ROW({i_values}, i._seq) IS DISTINCT FROM ROW({t_values}, t._seq) AND ROW({i_rank}) > ROW({t_rank})))

-- name: changed
-- The same origin, other values.
SELECT s.topic, s.partition, d."offset", d.row, d.differences, count(*) OVER ()
FROM _differ d JOIN feedfall.source s ON s.id = d.source
WHERE d.in_kafka AND d.in_table ORDER BY 1, 2, 3, 4 LIMIT {limit}

-- name: forged
-- An origin that Kafka does not know. Left out: records that today's feed cannot read, and those compacted away.
SELECT s.topic, s.partition, d."offset", d.row, count(*) OVER ()
FROM _differ d JOIN feedfall.source s ON s.id = d.source
WHERE NOT d.in_kafka
  AND NOT EXISTS (SELECT FROM _unread u
                  WHERE u._source = d.source AND u._offset = d."offset" AND u._row IN (d.row, -1))
  AND NOT (EXISTS (SELECT FROM _reread r WHERE r.source = d.source AND r.absent @> d."offset")
           AND NOT EXISTS (SELECT FROM feedfall.span p WHERE p.source = d.source AND p.absent @> d."offset"
                           AND p.from_offset <= d."offset" AND p.to_offset > d."offset"))
ORDER BY 1, 2, 3, 4 LIMIT {limit}

-- name: elsewhere
-- An origin that the ledger does not have.
SELECT t._source, t._offset, t._row, count(*) OVER ()
FROM {table} t LEFT JOIN feedfall.source s ON s.id = t._source AND s.feed = {feed} AND s.stage = 'sub'
WHERE s.id IS NULL OR t._offset < s.first_offset OR t._offset >= s.next_offset ORDER BY 1, 2, 3 LIMIT {limit}

-- name: missing
-- Of each key the newest that is lost.
WITH newest AS (
    SELECT DISTINCT ON ({key}) *, concat_ws(', ', {key}) AS _named FROM _lost
    WHERE _stands IS NULL ORDER BY {key}, {rank_desc}
)
SELECT s.topic, s.partition, n._offset, n._row, n._named, count(*) OVER ()
FROM newest n JOIN feedfall.source s ON s.id = n._source ORDER BY 1, 2, 3, 4 LIMIT {limit}

-- name: older
-- An older row stands where a newer one should.
SELECT s.topic, s.partition, l._offset, l._row, l._stands, count(*) OVER ()
FROM _lost l JOIN feedfall.source s ON s.id = l._source
WHERE l._stands IS NOT NULL ORDER BY 1, 2, 3, 4 LIMIT {limit}

-- name: shown
-- Recorded as absent, and there is a record.
SELECT s.topic, s.partition, p.from_offset, p.to_offset, x.shown::text, count(*) OVER ()
FROM _reread r JOIN feedfall.span p ON p.source = r.source AND p.from_offset < r.to_offset AND p.to_offset > r.from_offset
    JOIN feedfall.source s ON s.id = r.source,
    LATERAL (SELECT p.absent * int8multirange(int8range(r.from_offset, r.to_offset)) - r.absent AS shown) AS x
WHERE NOT isempty(x.shown) ORDER BY 1, 2, 3 LIMIT {limit}

-- name: tally
-- Rows that were compared; records that today's feed refuses and quarantine does not hold; records no longer shown.
SELECT (SELECT count(*) FROM _again),
       (SELECT count(*) FROM _unread u WHERE NOT EXISTS (SELECT FROM feedfall.quarantine q
           WHERE q.source = u._source AND q."offset" = u._offset AND q.row IN (u._row, -1))),
       (SELECT coalesce(sum(upper(x) - lower(x)), 0)::bigint FROM _reread r
           JOIN feedfall.span p ON p.source = r.source AND p.from_offset < r.to_offset AND p.to_offset > r.from_offset,
           LATERAL unnest(r.absent * int8multirange(int8range(p.from_offset, p.to_offset)) - p.absent) AS x)
