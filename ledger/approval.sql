-- name: ask
-- Frozen from now on. The server sets the time, the end of its life and the login.
INSERT INTO feedfall.approval (verb, feed, arguments, preview, digest, reason, asked_by, asked_signed_in, asked_channel, asked_address)
VALUES (%(verb)s, %(feed)s, %(arguments)s, %(preview)s, %(digest)s, %(reason)s, %(asked_by)s, %(asked_signed_in)s,
    %(asked_channel)s, %(asked_address)s)
RETURNING id

-- name: standing
-- What this person has asked for already, in the same world, and what is not over: open, or approved and not used.
SELECT * FROM feedfall.approval
WHERE verb = %(verb)s AND feed IS NOT DISTINCT FROM %(feed)s AND arguments = %(arguments)s AND digest = %(digest)s
  AND asked_by = %(asked_by)s AND asked_signed_in = %(asked_signed_in)s AND used_at IS NULL
  AND expires_at > clock_timestamp() AND coalesce(decision, 'approved') = 'approved'
ORDER BY decision IS NULL, id DESC LIMIT 1

-- name: find
-- One of them, which stays as it is until the transaction ends.
SELECT * FROM feedfall.approval WHERE id = %(id)s FOR UPDATE

-- name: pending
-- What waits for a second person, or was approved and is not done yet; the newest first.
SELECT * FROM feedfall.approval
WHERE expires_at > clock_timestamp() AND used_at IS NULL AND coalesce(decision, 'approved') = 'approved' ORDER BY id DESC

-- name: latest
-- The newest, whatever became of them.
SELECT * FROM feedfall.approval ORDER BY id DESC LIMIT %(limit)s

-- name: decide
-- Once, in time, by another person: a trigger and a CHECK of migration 0012 say so too.
UPDATE feedfall.approval SET decision = %(decision)s, decided_by = %(by)s, decided_signed_in = %(signed_in)s,
    decided_reason = %(reason)s WHERE id = %(id)s

-- name: use
-- The act is done, in the same transaction where it can be.
UPDATE feedfall.approval SET used_at = clock_timestamp() WHERE id = %(id)s
