-- name: copy
-- The fast path: straight into the table. COPY always names its columns.
COPY {into} ({columns}) FROM STDIN

-- name: immediate
-- A constraint that is checked at COMMIT would refuse a whole chunk for one row.
SET CONSTRAINTS ALL IMMEDIATE

-- name: impatient
-- Two runs that COPY the same keys wait for each other in a circle: this is how long.
SET LOCAL lock_timeout = '200ms'

-- name: patient
-- Back to the session's own.
SET LOCAL lock_timeout TO DEFAULT

-- name: newest
-- The rows that were loaded last, for people.
SELECT {columns}, _at, _seq, _run FROM {table} ORDER BY {newest}, {key} LIMIT {limit}
