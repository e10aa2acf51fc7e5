-- name: copy
-- The fast path: straight into the table. COPY always names its columns.
COPY {into} ({columns}) FROM STDIN

-- name: immediate
-- A constraint that is checked at COMMIT would refuse a whole chunk for one row.
SET CONSTRAINTS ALL IMMEDIATE

-- name: incoming
-- The slow path begins here: the table's own types, CHECKs and defaults, without its key.
CREATE TEMP TABLE _incoming (
    LIKE {table} INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING GENERATED
) ON COMMIT DROP

-- name: judge
-- One fate a row. Newer wins: base date, then seq, then offset within a source, otherwise the message's time.
-- A feed's column never begins with _ : what does is ours, and cannot clash.
CREATE TEMP TABLE _judged ON COMMIT DROP AS
WITH timed AS (
    SELECT {columns}, max(_at) OVER (PARTITION BY {key}, {rank}, _source) AS _newest FROM _incoming
), placed AS (
    SELECT *, row_number() OVER (PARTITION BY {key}
                                 ORDER BY {rank_desc}, _newest DESC, _source DESC, _offset DESC, _row DESC) AS _place,
              row_number() OVER (PARTITION BY {key}, {values}, _seq
                                 ORDER BY {rank_desc}, _newest DESC, _source DESC, _offset DESC, _row DESC) AS _again
    FROM timed
)
SELECT {i_columns}, t._run AS _old_run, CASE
    WHEN t._run IS NOT NULL AND ROW({i_values}, i._seq) IS NOT DISTINCT FROM ROW({t_values}, t._seq) THEN 'duplicate'
    WHEN i._again > 1 THEN 'duplicate'
    WHEN i._place > 1 THEN 'superseded'
    WHEN t._run IS NULL THEN 'loaded'
    WHEN ROW({i_rank}) > ROW({t_rank}) THEN 'loaded'
    WHEN ROW({i_rank}) < ROW({t_rank}) THEN 'superseded'
    WHEN i._source = t._source AND (i._offset, i._row) > (t._offset, t._row) THEN 'loaded'
    WHEN i._source <> t._source AND (i._at, i._source) > (t._at, t._source) THEN 'loaded'
    ELSE 'superseded' END AS _fate
FROM placed i LEFT JOIN {table} t ON {joined}

-- name: upsert
-- Rows sorted by key: pages of the index are touched once.
INSERT INTO {table} ({columns}) SELECT {columns} FROM _judged WHERE _fate = 'loaded' ORDER BY {key}
ON CONFLICT ({key}) DO UPDATE SET ({columns}) = ROW({excluded})

-- name: fates
-- What became of the rows, by source.
SELECT _source, _fate, count(*) FROM _judged GROUP BY _source, _fate

-- name: replaced
-- Whose rows were replaced, by source.
SELECT _source, _old_run, count(*) FROM _judged WHERE _fate = 'loaded' AND _old_run IS NOT NULL GROUP BY _source, _old_run

-- name: each
-- What became of each row, and whose row it replaced.
SELECT _source, _offset, _row, _fate, CASE _fate WHEN 'loaded' THEN _old_run END FROM _judged

-- name: newest
-- The rows that were loaded last, for people.
SELECT {columns}, _at, _seq, _run FROM {table} ORDER BY {newest}, {key} LIMIT {limit}
