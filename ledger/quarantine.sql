-- name: entries
-- Quarantined and deferred rows, newest first: the unresolved ones, or all.
SELECT {columns} FROM feedfall.quarantine q JOIN feedfall.source s ON s.id = q.source
WHERE (%(feed)s::text IS NULL OR s.feed = %(feed)s) AND (%(resolved)s OR q.settled_as IS NULL)
  AND (%(fate)s::text IS NULL OR q.fate = %(fate)s)
  AND (%(matching)s::text IS NULL OR position(lower(%(matching)s) IN lower(q.reason)) > 0)
ORDER BY q.at DESC, q.source, q."offset", q.row LIMIT %(limit)s

-- name: find
-- The entries of one place: more than one where a topic was created anew.
SELECT {columns} FROM feedfall.quarantine q JOIN feedfall.source s ON s.id = q.source
WHERE s.feed = %(feed)s AND s.topic = %(topic)s AND s.partition = %(partition)s AND q."offset" = %(offset)s
  AND q.row = %(row)s AND (%(source)s::int IS NULL OR q.source = %(source)s) ORDER BY q.source

-- name: lock
-- Unresolved entries, for this transaction alone.
SELECT {columns} FROM feedfall.quarantine q JOIN feedfall.source s ON s.id = q.source
JOIN unnest(%(sources)s::int[], %(offsets)s::bigint[], %(rows)s::int[]) AS w (source, "offset", row)
  ON q.source = w.source AND q."offset" = w."offset" AND q.row = w.row
WHERE q.settled_as IS NULL ORDER BY q.source, q."offset", q.row FOR UPDATE OF q

-- name: sizes
-- Bytes of each entry's value, in the order of the keys.
SELECT coalesce(octet_length(q.value), 0)
FROM unnest(%(sources)s::int[], %(offsets)s::bigint[], %(rows)s::int[]) WITH ORDINALITY AS w (source, "offset", row, place)
JOIN feedfall.quarantine q ON q.source = w.source AND q."offset" = w."offset" AND q.row = w.row ORDER BY w.place

-- name: waiting
-- Unresolved entries of sub, by partition: of one fate, by its reason, or by the day that has come.
SELECT s.partition, q.source, q."offset", q.row FROM feedfall.quarantine q JOIN feedfall.source s ON s.id = q.source
WHERE s.feed = %(feed)s AND s.stage = 'sub' AND q.settled_as IS NULL AND q.fate = %(fate)s
  AND (%(until)s::date IS NULL OR q.until <= %(until)s)
  AND (%(matching)s::text IS NULL OR position(lower(%(matching)s) IN lower(q.reason)) > 0)
ORDER BY s.partition, q.source, q."offset", q.row

-- name: due
-- Where deferred rows have come to their day, and how many.
SELECT s.feed, s.partition, count(*) FROM feedfall.quarantine q JOIN feedfall.source s ON s.id = q.source
JOIN unnest(%(feeds)s::text[], %(todays)s::date[]) AS f (feed, today) ON f.feed = s.feed
WHERE s.stage = 'sub' AND q.settled_as IS NULL AND q.fate = 'deferred' AND q.until <= f.today
GROUP BY s.feed, s.partition ORDER BY s.feed, s.partition

-- name: resolve
-- What became of an entry, once.
UPDATE feedfall.quarantine SET settled_as = %(became)s, settled_run = %(run)s, settled_at = clock_timestamp(),
    settled_by = %(by)s, settled_reason = %(reason)s, replaced_run = %(replaced)s, parts = %(parts)s
WHERE source = %(source)s AND "offset" = %(offset)s AND row = %(row)s AND settled_as IS NULL

-- name: postpone
-- It is not resolved: for another reason, or until another day.
UPDATE feedfall.quarantine SET fate = %(fate)s, reason = %(reason)s, until = coalesce(%(until)s, until), by_date = %(by_date)s
WHERE source = %(source)s AND "offset" = %(offset)s AND row = %(row)s AND settled_as IS NULL

-- name: part
-- A row of a message that was quarantined whole: an entry of its own, resolved or not.
INSERT INTO feedfall.quarantine (source, "offset", row, part, run, fate, reason, until, by_date, correlation_id, seq, value,
    key, headers, sent_at, settled_as, settled_run, settled_at, settled_by, settled_reason, replaced_run)
SELECT q.source, q."offset", %(row)s, true, %(run)s, %(fate)s, %(why)s, %(until)s, %(by_date)s, %(correlation_id)s, %(seq)s,
    %(value)s, q.key, q.headers, q.sent_at, %(became)s, CASE WHEN %(became)s::text IS NOT NULL THEN %(run)s::bigint END,
    CASE WHEN %(became)s::text IS NOT NULL THEN clock_timestamp() END,
    CASE WHEN %(became)s::text IS NOT NULL THEN %(by)s::text END,
    CASE WHEN %(became)s::text IS NOT NULL THEN %(reason)s::text END, %(replaced)s
FROM feedfall.quarantine q WHERE q.source = %(source)s AND q."offset" = %(offset)s AND q.row = -1

-- name: history
-- What people did to an entry, oldest first.
SELECT at, who, verb, reason, detail FROM feedfall.journal
WHERE detail ? 'entry' AND detail ->> 'entry' = %(entry)s AND (detail ->> 'source')::int = %(source)s ORDER BY id

-- name: columns
-- An entry: each column is the field of its name.
s.feed, s.stage, q.source, s.topic, s.partition, q."offset", q.row, q.part, q.fate, q.reason, q.until, q.at, q.run,
q.correlation_id, q.seq, q.key, q.value, q.headers, q.sent_at,
q.settled_as, q.settled_run, q.settled_at, q.settled_by, q.settled_reason, q.replaced_run, q.parts,
nullif(q.first_fate, q.fate) AS first_fate, nullif(q.first_reason, q.reason) AS first_reason

-- name: loaded
-- Rows of some offsets that a redrive or a release loaded: by whose run, which entry has their value, and their number
-- in the table. A part that was loaded with its message has no value of its own: its message's entry has it.
SELECT q.settled_run, q.source, q."offset", CASE WHEN q.part AND q.value IS NULL THEN -1 ELSE q.row END, greatest(q.row, 0)
FROM unnest(%(sources)s::int[], %(lows)s::bigint[], %(highs)s::bigint[]) AS r (source, low, high)
    JOIN feedfall.quarantine q ON q.source = r.source AND q."offset" >= r.low AND q."offset" < r.high
WHERE q.settled_as = 'loaded' ORDER BY 1, 2, 3, 4, 5

-- name: not_loaded
-- What became of the other entries of these offsets. Of a split message its rows are counted.
SELECT CASE WHEN q.settled_as IN ('superseded', 'duplicate') THEN q.settled_as ELSE 'quarantined' END, count(*)
FROM unnest(%(sources)s::int[], %(lows)s::bigint[], %(highs)s::bigint[]) AS r (source, low, high)
    JOIN feedfall.quarantine q ON q.source = r.source AND q."offset" >= r.low AND q."offset" < r.high
WHERE q.settled_as IS NULL OR q.settled_as NOT IN ('loaded', 'split') GROUP BY 1

-- name: stored
-- Entries as they are stored, resolved or not.
SELECT {columns} FROM feedfall.quarantine q JOIN feedfall.source s ON s.id = q.source
JOIN unnest(%(sources)s::int[], %(offsets)s::bigint[], %(rows)s::int[]) AS w (source, "offset", row)
  ON q.source = w.source AND q."offset" = w."offset" AND q.row = w.row
ORDER BY q.source, q."offset", q.row

-- name: corrected
-- With which value a run resolved an entry, where it was not the entry's own.
SELECT detail ->> 'fixed' FROM feedfall.journal
WHERE detail ? 'entry' AND detail ->> 'entry' = %(entry)s AND (detail ->> 'source')::int = %(source)s
  AND verb = 'redrive' AND (detail ->> 'run')::bigint = %(run)s AND detail ? 'fixed'
