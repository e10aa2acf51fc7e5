-- name: spans
-- Which run recorded the offsets of a range, in the order in which it was done. What was skipped has no records.
SELECT p.source, s.partition, greatest(p.from_offset, r.low), least(p.to_offset, r.high), p.run
FROM unnest(%(sources)s::int[], %(lows)s::bigint[], %(highs)s::bigint[]) AS r (source, low, high)
    JOIN feedfall.span p ON p.source = r.source AND p.from_offset < r.high AND p.to_offset > r.low
    JOIN feedfall.source s ON s.id = p.source
WHERE p.records > 0 ORDER BY p.id

-- name: quarantined
-- Rows of quarantine come back from their entries, or stay there.
WITH gone AS (
    DELETE FROM _incoming i USING feedfall.quarantine q
    WHERE q.source = i._source AND q."offset" = i._offset AND q.row IN (i._row, -1) RETURNING i._source
)
SELECT _source, 'quarantined', count(*) FROM gone GROUP BY _source

-- name: passed
-- Rows of other base dates than the requested ones.
WITH gone AS (
    DELETE FROM _incoming WHERE base_date NOT BETWEEN %(first)s AND %(last)s RETURNING _source
)
SELECT _source, 'passed', count(*) FROM gone GROUP BY _source

-- name: restored
-- A row that says where it came from and not what came from there: set back. A correction has the place of the row that it
-- replaced, and is another row.
WITH changed AS (
    UPDATE {table} t SET ({values}, _at, _seq) = ROW({i_values}, i._at, i._seq) FROM _incoming i
    WHERE {joined} AND (t._source, t._offset, t._row) = (i._source, i._offset, i._row)
      AND ROW({t_values}, t._at, t._seq) IS DISTINCT FROM ROW({i_values}, i._at, i._seq)
      AND (t._run = i._run OR NOT EXISTS (
        SELECT FROM feedfall.correction c WHERE c.source = t._source AND c."offset" = t._offset
            AND c.row IN (t._row, -1) AND c.run IN (t._run, i._run)))
    RETURNING i._source, i._offset, i._row
), gone AS (
    DELETE FROM _incoming i USING changed c
    WHERE (i._source, i._offset, i._row) = (c._source, c._offset, c._row) RETURNING i._source
)
SELECT _source, 'restored', count(*) FROM gone GROUP BY _source

-- name: waiting
-- Of these records, the ones that quarantine holds.
SELECT count(*) FROM unnest(%(sources)s::int[], %(offsets)s::bigint[], %(rows)s::int[]) AS u (source, "offset", row)
WHERE EXISTS (SELECT FROM feedfall.quarantine q
              WHERE q.source = u.source AND q."offset" = u."offset" AND q.row IN (u.row, -1))
