-- name: write
-- Who did what, and why.
INSERT INTO feedfall.journal (who, verb, feed, reason, detail) VALUES (%(who)s, %(verb)s, %(feed)s, %(reason)s, %(detail)s)

-- name: may_write
-- May this role add lines? A reader, such as CI that waits, may not.
SELECT has_any_column_privilege('feedfall.journal', 'INSERT')
