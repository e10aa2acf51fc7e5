-- name: exists
-- Does the ledger exist?
SELECT to_regclass('feedfall.schema') IS NOT NULL

-- name: version
-- The newest migration, and the oldest code that it serves.
SELECT max(version), max(oldest_code) FROM feedfall.schema HAVING count(*) > 0

-- name: applied
-- Record a migration.
INSERT INTO feedfall.schema (version, oldest_code) VALUES (%(version)s, %(oldest_code)s)

-- name: one_migration_at_a_time
-- Held until the transaction ends; a second migration waits for lock_timeout, then gives up.
SELECT pg_advisory_xact_lock(hashtext('feedfall.migrate'))

-- name: columns
-- A feed table's columns as the database has them: type, whether each row must bring a value, and whether it may not.
SELECT attname, format_type(atttypid, atttypmod), attnotnull AND NOT atthasdef AND attidentity = '',
    attgenerated <> '' OR attidentity = 'a'
FROM pg_attribute
WHERE attrelid = to_regclass(%(table)s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum

-- name: kind
-- What a feed's table is, whether policies hide its rows from this role, and whether its key has an index to merge by.
SELECT c.relkind::text, row_security_active(c.oid), EXISTS (
    SELECT FROM pg_index x
    WHERE x.indrelid = c.oid AND x.indisunique AND x.indisvalid AND x.indimmediate AND x.indpred IS NULL
      AND x.indexprs IS NULL
      AND %(key)s::text[] = ARRAY(
        SELECT a.attname::text COLLATE "C" FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1]) ORDER BY 1))
FROM pg_class c WHERE c.oid = to_regclass(%(table)s)
