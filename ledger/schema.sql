-- name: exists
-- Does the ledger exist?
SELECT to_regclass('feedfall.schema') IS NOT NULL

-- name: version
-- The newest migration, and the oldest code that it serves.
SELECT version, oldest_code FROM feedfall.schema ORDER BY version DESC LIMIT 1

-- name: applied
-- Record a migration.
INSERT INTO feedfall.schema (version, oldest_code) VALUES (%(version)s, %(oldest_code)s)

-- name: one_migration_at_a_time
-- Held until the transaction ends; a second migration waits for lock_timeout, then gives up.
SELECT pg_advisory_xact_lock(hashtext('feedfall.migrate'))

-- name: columns
-- A feed table's columns as the database has them: type, and whether each row must bring a value.
SELECT attname, format_type(atttypid, atttypmod), attnotnull AND NOT atthasdef AND attidentity = '' FROM pg_attribute
WHERE attrelid = to_regclass(%(table)s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
