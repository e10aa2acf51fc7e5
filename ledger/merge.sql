-- name: incoming
-- The slow path begins here: the table's own types, CHECKs and defaults, without its key.
CREATE TEMP TABLE _incoming (
    LIKE {table} INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING GENERATED
) ON COMMIT DROP

-- name: newest
-- Of each key the newest row that came. A feed's column never begins with _ : what does is ours, and cannot clash.
CREATE TEMP TABLE _newest ON COMMIT DROP AS
SELECT DISTINCT ON ({key}) {columns} FROM _incoming ORDER BY {key}, {rank_desc}

-- name: written
-- What the merge writes, and whose row it replaces; null where there was none of that key.
CREATE TEMP TABLE _written (_source int, _offset bigint, _row int, _old_run bigint) ON COMMIT DROP

-- name: add
-- In the order of the key, as every merge does: two of them wait for each other, and never in a circle.
WITH added AS (
    INSERT INTO {table} ({columns}) SELECT {columns} FROM _newest ORDER BY {key}
    ON CONFLICT ({key}) DO NOTHING RETURNING _source, _offset, _row
)
INSERT INTO _written SELECT * FROM added

-- name: older
-- The rows that are to be replaced, for this transaction alone. One that another run has just written is looked at again.
CREATE TEMP TABLE _older ON COMMIT DROP AS
SELECT {t_key}, t._run AS _old_run FROM {table} t JOIN _newest i ON {joined}
WHERE ROW({i_rank}) > ROW({t_rank}) ORDER BY {t_key} FOR UPDATE OF t

-- name: replace
-- Newer values and their origin, under the same key.
WITH replaced AS (
    UPDATE {table} n SET ({changing}) = ROW({i_changing}) FROM _newest i JOIN _older t ON {joined}
    WHERE {n_joined} RETURNING i._source, i._offset, i._row, t._old_run
)
INSERT INTO _written SELECT * FROM replaced

-- name: each
-- One fate a row. Loaded: it stands in the table now. Duplicate: it is older, and equal to what stands. Superseded: it is
-- older, and another row stands. Null: the table has no row of its key, though no error said so.
SELECT i._source, i._offset, i._row, CASE
    WHEN w._source IS NOT NULL THEN 'loaded'
    WHEN t._source IS NULL THEN NULL
    WHEN ROW({i_values}, i._seq) IS NOT DISTINCT FROM ROW({t_values}, t._seq) THEN 'duplicate'
    ELSE 'superseded' END AS fate, w._old_run
FROM _incoming i
    LEFT JOIN _written w ON (w._source, w._offset, w._row) = (i._source, i._offset, i._row)
    LEFT JOIN {table} t ON w._source IS NULL AND {joined}

-- name: fates
-- The same, counted by source and by the run whose rows were replaced.
SELECT _source, fate, _old_run, count(*) FROM ({each}) AS e GROUP BY _source, fate, _old_run
