-- name: write
-- Who did what, and why.
INSERT INTO feedfall.journal (who, verb, feed, reason, detail) VALUES (%(who)s, %(verb)s, %(feed)s, %(reason)s, %(detail)s)

-- name: sign
-- A line of an act: its intent or its outcome, or one of the things that it changed.
INSERT INTO feedfall.journal (who, verb, feed, reason, detail, act, phase, signed_in, acted_as, channel, address, before, after,
    words, ticket, approval)
VALUES (%(who)s, %(verb)s, %(feed)s, %(reason)s, %(detail)s, %(act)s, %(phase)s, %(signed_in)s, %(acted_as)s, %(channel)s,
    %(address)s, %(before)s, %(after)s, %(words)s, %(ticket)s, %(approval)s)

-- name: may_write
-- May this role add lines? A reader, such as CI that waits, may not.
SELECT has_any_column_privilege('feedfall.journal', 'INSERT')
