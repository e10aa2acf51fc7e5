-- name: write
-- Who did what, and why.
INSERT INTO feedfall.journal (who, verb, feed, reason, detail) VALUES (%(who)s, %(verb)s, %(feed)s, %(reason)s, %(detail)s)
