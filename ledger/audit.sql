-- name: lines
-- The journal's newest lines. What an act tells beside them stands in columns that older lines do not have.
SELECT id, at, who, verb, feed, reason, detail, role, to_jsonb(j) AS line FROM feedfall.journal j
WHERE (%(feed)s::text IS NULL OR feed = %(feed)s) AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
  AND (%(by)s::text IS NULL OR who = %(by)s OR to_jsonb(j) ->> 'signed_in' = %(by)s)
  AND (%(verb)s::text IS NULL OR verb = %(verb)s)
ORDER BY id DESC LIMIT %(limit)s

-- name: handed_over
-- When a shift last took over.
SELECT max(at) FROM feedfall.journal WHERE verb = 'handover'
