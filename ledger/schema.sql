-- name: exists
-- Does the ledger exist?
SELECT to_regclass('feedfall.schema') IS NOT NULL

-- name: session
-- Does the session have what it asked for at its start (`database.NEEDED`)? And who is it?
SELECT quote_ident(current_user), current_setting('idle_in_transaction_session_timeout') <> '0',
       current_setting('lock_timeout') <> '0', current_setting('datestyle') LIKE 'ISO%%'

-- name: version
-- The newest migration, and the oldest code that the schema serves: what was refused once is never served again.
SELECT coalesce(max(version), 0), coalesce(max(oldest_code), 0) FROM feedfall.schema

-- name: one_header
-- Is older code refused, and gone? A run of it that was killed counts for a day at most: no run is that long.
SELECT coalesce(max(oldest_code), 0) >= %(code)s AND NOT EXISTS (
    SELECT FROM (SELECT code, started_at, ended_at FROM feedfall.run WHERE feed = %(feed)s ORDER BY id DESC LIMIT 200) AS r
    WHERE r.code < %(code)s AND r.ended_at IS NULL AND r.started_at > now() - interval '1 day')
FROM feedfall.schema

-- name: applied
-- Record a migration.
INSERT INTO feedfall.schema (version, oldest_code)
SELECT %(version)s, greatest(%(oldest_code)s, max(oldest_code)) FROM feedfall.schema

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

-- name: database
-- Is there a database of that name?
SELECT 1 FROM pg_database WHERE datname = %(name)s
