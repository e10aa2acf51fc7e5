-- name: record
-- A better value of a resolved entry, and what became of it.
INSERT INTO feedfall.correction (source, "offset", row, run, value, seq, sent_at, became, replaced_run, who, reason)
VALUES (%(source)s, %(offset)s, %(row)s, %(run)s, %(value)s, %(seq)s, to_timestamp(%(sent)s / 1000.0), %(became)s,
    %(replaced_run)s, %(who)s, %(reason)s)

-- name: of_entry
-- The corrections of one entry, the oldest first.
SELECT run, value, seq, (extract(epoch FROM sent_at) * 1000)::bigint AS sent, became, replaced_run FROM feedfall.correction
WHERE source = %(source)s AND "offset" = %(offset)s AND row = %(row)s ORDER BY id

-- name: loaded
-- Corrections of entries of some offsets that were loaded, the oldest first.
SELECT c.source, c."offset", c.row, c.run, c.value, c.seq, (extract(epoch FROM c.sent_at) * 1000)::bigint
FROM unnest(%(sources)s::int[], %(lows)s::bigint[], %(highs)s::bigint[]) AS r (source, low, high)
    JOIN feedfall.correction c ON c.source = r.source AND c."offset" >= r.low AND c."offset" < r.high
WHERE c.became = 'loaded' ORDER BY c.id
