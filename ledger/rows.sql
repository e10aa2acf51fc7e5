-- name: copy
-- The quick road: straight into the table. COPY always names its columns.
COPY {into} ({columns}) FROM STDIN

-- name: immediate
-- A constraint that is checked at COMMIT would refuse a whole chunk for one row.
SET CONSTRAINTS ALL IMMEDIATE

-- name: incoming
-- The careful road's first stop: the table's own types and CHECKs, without its key.
CREATE TEMP TABLE _incoming (LIKE {table} INCLUDING CONSTRAINTS) ON COMMIT DROP

-- name: judge
-- One fate a row. Newer wins: base date, then seq, then offset within a source, otherwise the message's time.
CREATE TEMP TABLE _judged ON COMMIT DROP AS
WITH timed AS (
    SELECT *, max(_at) OVER (PARTITION BY {key}, {rank}, _source) AS newest FROM _incoming
), placed AS (
    SELECT *, row_number() OVER (PARTITION BY {key}
                                 ORDER BY {rank_desc}, newest DESC, _source DESC, _offset DESC, _row DESC) AS place,
              row_number() OVER (PARTITION BY {key}, {values}, _seq
                                 ORDER BY {rank_desc}, newest DESC, _source DESC, _offset DESC, _row DESC) AS again
    FROM timed
)
SELECT {i_columns}, t._run AS old_run, CASE
    WHEN t._run IS NOT NULL AND ROW({i_values}, i._seq) IS NOT DISTINCT FROM ROW({t_values}, t._seq) THEN 'duplicate'
    WHEN i.again > 1 THEN 'duplicate'
    WHEN i.place > 1 THEN 'superseded'
    WHEN t._run IS NULL THEN 'loaded'
    WHEN ROW({i_rank}) > ROW({t_rank}) THEN 'loaded'
    WHEN ROW({i_rank}) < ROW({t_rank}) THEN 'superseded'
    WHEN i._source = t._source AND (i._offset, i._row) > (t._offset, t._row) THEN 'loaded'
    WHEN i._source <> t._source AND (i._at, i._source) > (t._at, t._source) THEN 'loaded'
    ELSE 'superseded' END AS fate
FROM placed i LEFT JOIN {table} t ON {joined}

-- name: upsert
-- Rows sorted by key: pages of the index are touched once.
INSERT INTO {table} ({columns}) SELECT {columns} FROM _judged WHERE fate = 'loaded' ORDER BY {key}
ON CONFLICT ({key}) DO UPDATE SET ({columns}) = ROW({excluded})

-- name: fates
-- What became of the rows, by source.
SELECT _source, fate, count(*) FROM _judged GROUP BY _source, fate

-- name: replaced
-- Whose rows were replaced, by source.
SELECT _source, old_run, count(*) FROM _judged WHERE fate = 'loaded' AND old_run IS NOT NULL GROUP BY _source, old_run

-- name: each
-- What became of each row, and whose row it replaced.
SELECT _source, _offset, _row, fate, CASE fate WHEN 'loaded' THEN old_run END FROM _judged

-- name: newest
-- The rows that were loaded last, for people.
SELECT {columns}, _at, _seq, _run FROM {table} ORDER BY {newest}, {key} LIMIT {limit}
