-- name: lines
-- The journal's newest lines. What the machine wrote, and lines older than 0012, have no act.
SELECT id, at, who, verb, feed, reason, detail, role, act, phase, signed_in, acted_as, channel, address, before, after, words,
    ticket, approval
FROM feedfall.journal
WHERE (%(feed)s::text IS NULL OR feed = %(feed)s) AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
  AND (%(by)s::text IS NULL OR who = %(by)s OR signed_in = %(by)s)
  AND (%(verb)s::text IS NULL OR verb = %(verb)s)
ORDER BY id DESC LIMIT %(limit)s

-- name: handed_over
-- When a shift last took over.
SELECT max(at) FROM feedfall.journal WHERE verb = 'handover' AND phase = 'done'
