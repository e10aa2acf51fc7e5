-- name: known
-- The open sources of a feed, with what they are bound to.
SELECT id, stage, topic, topic_id, cluster_id, partition, next_offset FROM feedfall.source
WHERE feed = %(feed)s AND closed_at IS NULL ORDER BY stage, partition, id

-- name: compare
-- The last rows that stand in the table from the old partition, newest first, and where the new one has them. A copy keeps
-- values, times and the order; not the offsets.
WITH last AS (
    SELECT * FROM {table} WHERE _source = {source} ORDER BY _offset DESC, _row DESC LIMIT {limit}
)
SELECT t._offset, array_agg(DISTINCT i._offset ORDER BY i._offset) FILTER (WHERE i._offset IS NOT NULL)
FROM last t LEFT JOIN _again i ON i._source = t._source AND i._at = t._at
    AND ROW(i._seq, i._row, {i_facts}) IS NOT DISTINCT FROM ROW(t._seq, t._row, {t_facts})
GROUP BY t._offset ORDER BY t._offset DESC

-- name: oldest
-- The offset of the oldest of the last rows of a source; -1: none stands in the table.
SELECT coalesce(min(_offset), -1) FROM (
    SELECT _offset FROM {table} WHERE _source = {source} ORDER BY _offset DESC LIMIT {limit}) AS last

-- name: tail
-- Rows of the old partition, recorded after an offset, that do not stand in the table: they may be read again.
SELECT (SELECT count(*) FROM feedfall.quarantine WHERE source = %(source)s AND "offset" > %(after)s AND NOT part),
       (SELECT coalesce(sum(superseded + duplicate), 0)::bigint FROM feedfall.span
        WHERE source = %(source)s AND to_offset > %(after)s + 1)
