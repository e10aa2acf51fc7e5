-- name: in_force
-- The overrides in force, of one calendar or of all.
SELECT calendar, day, is_open, reason, evidence, who AS by, at FROM feedfall.calendar_override
WHERE withdrawn_at IS NULL AND (%(calendar)s::text IS NULL OR calendar = %(calendar)s) ORDER BY calendar, day

-- name: history
-- Every override ever declared, also the withdrawn.
SELECT calendar, day, is_open, reason, evidence, who AS by, at, withdrawn_at FROM feedfall.calendar_override
WHERE %(calendar)s::text IS NULL OR calendar = %(calendar)s ORDER BY calendar, day, id

-- name: declare
-- One override a day: of two writers the second waits for the first, and then inserts nothing.
INSERT INTO feedfall.calendar_override (calendar, day, is_open, reason, evidence, who)
VALUES (%(calendar)s, %(day)s, %(is_open)s, %(reason)s, %(evidence)s, %(by)s)
ON CONFLICT (calendar, day) WHERE withdrawn_at IS NULL DO NOTHING

-- name: in_force_on
-- The override in force on one day.
SELECT calendar, day, is_open, reason, evidence, who AS by, at FROM feedfall.calendar_override
WHERE calendar = %(calendar)s AND day = %(day)s AND withdrawn_at IS NULL

-- name: withdraw
-- From now on the table decides again; the row stays.
UPDATE feedfall.calendar_override SET withdrawn_at = clock_timestamp()
WHERE calendar = %(calendar)s AND day = %(day)s AND withdrawn_at IS NULL

-- name: copy
-- The last good copy of a calendar whose home is elsewhere, and its age by this database's clock.
SELECT etag, document, extract(epoch FROM clock_timestamp() - confirmed_at)::float8 FROM feedfall.calendar_copy
WHERE calendar = %(calendar)s

-- name: save_copy
-- A document that the service has just confirmed.
INSERT INTO feedfall.calendar_copy AS c (calendar, etag, document, confirmed_at)
VALUES (%(calendar)s, %(etag)s, %(document)s, clock_timestamp())
ON CONFLICT (calendar) DO UPDATE SET etag = excluded.etag, document = excluded.document, confirmed_at = excluded.confirmed_at
